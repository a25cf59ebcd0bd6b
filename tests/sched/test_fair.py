"""CFS: its queue under random work, fairness by weight, bounded waiting (fork-path F4, F6)."""

import math
from random import Random

import pytest
from bench_kernel import TICK, Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toykernel.arch.x86.asm_offsets import TIF_NEED_RESCHED
from toykernel.arch.x86.thread_info import clear_ti_flag
from toykernel.kernel.sched import core
from toykernel.kernel.sched.entity import PRIO_TO_WEIGHT
from toykernel.kernel.sched.fair import calc_delta, sched_slice
from toykernel.task import TASK_RUNNING, Task

OPERATIONS = st.one_of(
    st.tuples(st.just("run"), st.integers(1, 3 * TICK)),
    st.tuples(st.just("sleep"), st.just(0)),
    st.tuples(st.just("wake"), st.integers(0, 30)),
    st.tuples(st.just("fork"), st.just(0)),
    st.tuples(st.just("yield"), st.just(0)),
    st.tuples(st.just("nice"), st.integers(0, 39 * 31)),
)


def check_queue(bench: Bench) -> None:
    """What is always true of the fair queue."""
    k = bench.k
    cfs = k.sched.rq.cfs
    runnable = [t for t in bench.tasks if t.on_rq]
    queued = list(cfs.timeline.tasks)
    assert sorted(t.pid for t in queued) == sorted(t.pid for t in runnable if t is not cfs.curr)
    assert cfs.nr_running == len(runnable) == k.sched.rq.nr_running
    assert cfs.load == sum(t.se.weight for t in runnable)
    for key, task in cfs.timeline.items():
        assert key == task.se.key
        assert key[0] == task.se.vruntime
    assert cfs.curr is (k.current if k.current is not k.sched.idle else None)
    assert (k.current is k.sched.idle) == (not runnable)
    for task in bench.tasks:
        assert (task.state == TASK_RUNNING) == task.on_rq


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(work=st.lists(OPERATIONS, max_size=60))
def test_the_queue_under_random_work(
    monkeypatch: pytest.MonkeyPatch, work: list[tuple[str, int]]
) -> None:
    bench = Bench(monkeypatch)
    k = bench.k
    bench.spawn()
    floor, total = 0, bench.clock.cycles
    idle_time = 0
    for name, number in work:
        some: Task = bench.tasks[number % len(bench.tasks)]
        before = bench.clock.cycles
        was_idle = k.current is k.sched.idle
        if name == "run":
            bench.run(number)
        elif name == "sleep" and not was_idle:
            bench.sleep()
        elif name == "wake":
            bench.wake(some)
        elif name == "fork" and not was_idle and len(bench.tasks) < 20:
            bench.spawn()
        elif name == "yield" and not was_idle:
            bench.yield_()
        elif name == "nice":
            bench.renice(some, number % 40 - 20)
        if was_idle:
            idle_time += bench.clock.cycles - before
        check_queue(bench)
        assert k.sched.rq.cfs.min_vruntime >= floor, "min_vruntime went back"
        floor = k.sched.rq.cfs.min_vruntime
    # Every nanosecond is somebody's.
    total = sum(bench.runtime(t) for t in bench.tasks)
    assert total == bench.clock.cycles - idle_time


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(nices=st.lists(st.integers(-20, 19), min_size=2, max_size=8))
def test_shares_follow_the_weights(monkeypatch: pytest.MonkeyPatch, nices: list[int]) -> None:
    bench = Bench(monkeypatch)
    for task, nice in zip([bench.spawn() for _ in nices], nices, strict=True):
        bench.renice(task, nice)
    bench.run(5_000_000_000)  # where each was placed at first is forgotten by then
    start = {t.pid: bench.runtime(t) for t in bench.tasks}
    span = 30_000_000_000
    bench.run(span)
    load = sum(PRIO_TO_WEIGHT[20 + nice] for nice in nices)
    for task, nice in zip(bench.tasks, nices, strict=True):
        share = (bench.runtime(task) - start[task.pid]) / span
        assert math.isclose(share, PRIO_TO_WEIGHT[20 + nice] / load, abs_tol=0.01)


@pytest.mark.parametrize("count", [2, 5, 20, 100])
def test_nobody_waits_longer_than_a_round(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    bench = Bench(monkeypatch)
    for _ in range(count):
        bench.spawn()
    last: dict[int, int] = {t.pid: bench.clock.cycles for t in bench.tasks}
    longest = 0
    for _ in range(5 * count):
        bench.run(TICK)
        pid = bench.k.current.pid
        longest = max(longest, bench.clock.cycles - last[pid])
        last[pid] = bench.clock.cycles
    assert set(last) == {t.pid for t in bench.tasks}
    assert longest <= (count + 2) * TICK  # each runs at least one tick once it has been chosen


@settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(nices=st.lists(st.integers(-12, 19), min_size=2, max_size=6), seed=st.integers(0, 1 << 32))
def test_nobody_starves_whatever_the_weights(
    monkeypatch: pytest.MonkeyPatch, nices: list[int], seed: int
) -> None:
    """A task that ran for a tick waits until the others have had theirs in proportion, not longer.

    Meanwhile another sleeps and wakes as it likes: sleeping does not let it hold anybody back.
    """
    bench, chance = Bench(monkeypatch), Random(seed)
    for task, nice in zip([bench.spawn() for _ in nices], nices, strict=True):
        bench.renice(task, nice)
    sleeper = bench.spawn()
    load = sum(t.se.weight for t in bench.tasks)
    bounds = {t.pid: TICK * (load // t.se.weight + len(bench.tasks) + 2) for t in bench.tasks}
    last = {t.pid: bench.clock.cycles for t in bench.tasks}
    end = bench.clock.cycles + min(2 * max(bounds.values()), 4000 * TICK)
    while bench.clock.cycles < end:
        now = bench.clock.cycles
        if bench.k.current is sleeper and chance.random() < 0.5:
            bench.sleep()
        elif chance.random() < 0.5:
            bench.wake(sleeper)
        last[bench.k.current.pid] = last[sleeper.pid] = now
        for task in bench.tasks:
            assert now - last[task.pid] <= bounds[task.pid], f"nice {task.se.nice} starves"
        bench.run(TICK // 2)


def test_a_sleeper_gets_at_most_half_a_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    spinner, sleeper = bench.spawn(), bench.spawn()
    while bench.k.current is not sleeper:
        bench.run(TICK)
    bench.sleep()
    bench.run(100 * TICK)
    assert bench.k.current is spinner
    bench.wake(sleeper)
    assert bench.k.current is sleeper, "it preempts: it is behind by more than the granularity"
    credit = bench.k.sched.tunables.sched_latency_ns // 2
    assert spinner.se.vruntime - sleeper.se.vruntime <= credit


def test_a_child_is_placed_a_slice_behind(monkeypatch: pytest.MonkeyPatch) -> None:  # F4
    bench = Bench(monkeypatch)
    parent = bench.spawn()
    bench.run(TICK // 2)
    child = bench.spawn()
    assert bench.k.current is parent
    assert child.se.sum_exec_runtime == 0
    assert child.se.vruntime == bench.k.sched.rq.cfs.min_vruntime + sched_slice(bench.k, child)


def test_child_runs_first_swaps_the_two(monkeypatch: pytest.MonkeyPatch) -> None:  # F4
    bench = Bench(monkeypatch)
    bench.k.sched.tunables.sched_child_runs_first = 1
    parent = bench.spawn()
    bench.run(TICK // 2)
    bench.runtime(parent)  # charged up to now
    before = parent.se.vruntime
    child = bench.spawn()
    assert bench.k.current is child
    assert child.se.vruntime == before < parent.se.vruntime


def test_yield_lets_the_second_run(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    first, second = bench.spawn(), bench.spawn()
    bench.run(500_000)
    bench.yield_()
    assert bench.k.current is second
    bench.yield_()
    assert bench.k.current is first


def test_yield_does_not_pass_the_turn_far_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    first = bench.spawn()
    bench.run(TICK // 2)
    bench.spawn()  # placed 3 ms ahead of the parent, more than the wake-up granularity
    bench.yield_()
    assert bench.k.current is first


@given(delta=st.integers(0, 1 << 40), index=st.integers(0, 39))
def test_weighted_time_is_a_division(delta: int, index: int) -> None:
    weight = PRIO_TO_WEIGHT[index]
    exact = delta * 1024 / weight
    assert math.isclose(calc_delta(delta, 1024, weight), exact, rel_tol=1e-4, abs_tol=2)


def test_halves_are_rounded_up_and_nothing_below():
    """SRR() of sched_fair.c of 2.6.39, by hand: (2^32 + 2^14) / 2^16 is 65536 and a quarter."""
    assert calc_delta((1 << 32) + (1 << 14) >> 10, 1024, 1) == 1 << 32
    assert calc_delta((1 << 32) + (1 << 15) >> 10, 1024, 1) == (1 << 32) + (1 << 16)
    assert calc_delta(1024, 1024, 1024) == 1024


def test_a_thousand_tasks_cost_a_logarithm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons in the ordered queue, not time: the host's load is no part of it."""
    bench = Bench(monkeypatch)
    for _ in range(1000):
        bench.spawn()
    timeline = bench.k.sched.rq.cfs.timeline
    looks = 0

    class Counted(tuple[int, int]):
        def __lt__(self, other: object) -> bool:
            nonlocal looks
            looks += 1
            return tuple.__lt__(self, other)  # type: ignore[operator]

    insert = timeline.insert
    monkeypatch.setattr(timeline, "insert", lambda key, task: insert(Counted(key), task))
    timeline.keys = [Counted(key) for key in timeline.keys]
    switches = bench.switches
    bench.run(300 * TICK)
    assert bench.switches - switches >= 299
    assert 300 < looks <= 24 * (bench.switches - switches)


@pytest.mark.parametrize("nice", range(-20, 20))
def test_a_nice_level_is_a_factor_of_five_quarters(nice: int) -> None:
    """The rule that the table was made by (kernel/sched.c): 10 % of the CPU more or less between two."""
    exact = 1024 / 1.25**nice
    assert abs(PRIO_TO_WEIGHT[20 + nice] - exact) <= max(0.018 * exact, 0.6)


def test_nobody_is_preempted_before_the_least_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """sched_min_granularity: even when another is further behind than a slice."""
    bench = Bench(monkeypatch)
    bench.spawn()
    first, second = bench.k.current, bench.spawn()
    k = bench.k
    fair = core.class_of(k, k.current)
    curr, other = k.current, first if k.current is second else second
    cfs = k.sched.rq.cfs
    core.update_rq_clock(k)
    curr.se.vruntime = other.se.vruntime + 10**9
    least = k.sched.tunables.sched_min_granularity_ns
    assert sched_slice(k, curr) > least
    for ran, preempted in (least - 1, False), (least, True):
        clear_ti_flag(k.machine.ram, curr.stack, TIF_NEED_RESCHED)
        curr.se.sum_exec_runtime = curr.se.prev_sum_exec_runtime + ran
        assert cfs.curr is curr
        fair.task_tick(k, curr)
        assert core.need_resched(k, curr) == preempted


def test_the_idle_task_gives_way_to_whoever_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    task = bench.spawn()
    bench.sleep()
    k = bench.k
    assert k.current is k.sched.idle
    assert not core.need_resched(k, k.current)
    core.try_to_wake_up(k, task)
    assert core.need_resched(k, k.current)
