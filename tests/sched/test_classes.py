"""Real-time before fair before idle, inheritance at fork, and 2.4's counters (fork-path F1-F3, F5)."""

import pytest
from bench_kernel import TICK, Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toykernel.kernel.sched import core
from toykernel.kernel.sched.entity import (
    SCHED_BATCH,
    SCHED_FIFO,
    SCHED_IDLE,
    SCHED_NORMAL,
    SCHED_RR,
)
from toykernel.kernel.sched.goodness import nice_to_ticks
from toykernel.task import Task


def make_rt(bench: Bench, task: Task, policy: int, priority: int, *, reset: bool = False) -> None:
    core.change_priority(bench.k, task, policy=policy, rt_priority=priority, reset_on_fork=reset)
    bench.maybe_schedule()


def test_fifo_runs_until_it_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.k.sched.tunables.sched_rt_runtime_us = -1
    normal, first, second = bench.spawn(), bench.spawn(), bench.spawn()
    make_rt(bench, first, SCHED_FIFO, 10)
    make_rt(bench, second, SCHED_FIFO, 10)
    assert bench.k.current is first
    bench.run(50 * TICK)
    assert bench.k.current is first
    bench.yield_()
    assert bench.k.current is second
    bench.sleep()
    assert bench.k.current is first
    bench.sleep()
    assert bench.k.current is normal


def test_a_better_priority_preempts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    low, high = bench.spawn(), bench.spawn()
    make_rt(bench, high, SCHED_FIFO, 50)
    bench.sleep()
    make_rt(bench, low, SCHED_FIFO, 10)
    assert bench.k.current is low
    bench.wake(high)
    assert bench.k.current is high


def test_rr_takes_turns_of_100_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.k.sched.tunables.sched_rt_runtime_us = -1
    tasks = [bench.spawn() for _ in range(3)]
    for task in tasks:
        make_rt(bench, task, SCHED_RR, 5)
        task.se.time_slice = 10
    seen = []
    for _ in range(6):
        seen.append(bench.k.current.pid)
        bench.run(10 * TICK)
    assert seen == [t.pid for t in tasks] * 2


def test_reset_on_fork(monkeypatch: pytest.MonkeyPatch) -> None:  # F2
    bench = Bench(monkeypatch)
    parent = bench.spawn()
    make_rt(bench, parent, SCHED_FIFO, 20, reset=True)
    child = bench.spawn()
    assert (child.se.policy, child.se.rt_priority, child.se.nice) == (SCHED_NORMAL, 0, 0)
    assert not child.se.reset_on_fork
    assert parent.se.reset_on_fork

    make_rt(bench, parent, SCHED_NORMAL, 0, reset=True)
    bench.renice(parent, -5)
    assert bench.spawn().se.nice == 0


def test_a_child_keeps_the_class_and_not_the_boost(monkeypatch: pytest.MonkeyPatch) -> None:  # F3
    bench = Bench(monkeypatch)
    parent = bench.spawn()
    make_rt(bench, parent, SCHED_RR, 20)
    child = bench.spawn()
    assert (child.se.policy, child.se.rt_priority) == (SCHED_RR, 20)
    core.deactivate_task(bench.k, child)
    make_rt(bench, parent, SCHED_NORMAL, 0)
    parent.se.prio = 105  # boosted
    assert bench.k.current is parent
    assert bench.spawn().se.prio == 120


def test_a_child_is_on_no_queue_before_it_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:  # F1
    bench = Bench(monkeypatch)
    bench.spawn()
    child = bench._record("child")
    core.sched_fork(bench.k, child)
    assert not child.on_rq
    assert not core.try_to_wake_up(bench.k, child), "an early wake-up does nothing"
    bench.run(20 * TICK)
    assert bench.k.current is not child


def test_a_woken_batch_task_does_not_preempt(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    spinner, batch = bench.spawn(), bench.spawn()
    core.change_priority(bench.k, batch, policy=SCHED_BATCH)
    while bench.k.current is not batch:
        bench.run(TICK)
    bench.sleep()
    bench.run(10 * TICK + 5)
    bench.wake(batch)
    assert bench.k.current is spinner


def test_anybody_preempts_sched_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    normal, background = bench.spawn(), bench.spawn()
    core.change_priority(bench.k, background, policy=SCHED_IDLE)
    assert bench.k.current is normal
    bench.sleep()
    assert bench.k.current is background
    bench.wake(normal)
    assert bench.k.current is normal
    start = bench.runtime(background)
    bench.run(500 * TICK)
    assert (bench.runtime(background) - start) / (500 * TICK) < 0.02


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counter=st.integers(0, 40), depth=st.integers(1, 8))
def test_forking_makes_no_time_slices(
    monkeypatch: pytest.MonkeyPatch, counter: int, depth: int
) -> None:  # F5
    bench = Bench(monkeypatch, "goodness")
    parent = bench.spawn()
    parent.se.counter = counter
    family = [parent]
    for _ in range(depth):
        child = bench._record("child")
        bench.k.current = family[-1]
        before = family[-1].se.counter
        core.sched_fork(bench.k, child)
        assert child.se.counter == (before + 1) >> 1
        assert family[-1].se.counter == before >> 1
        if not family[-1].se.counter:
            assert core.need_resched(bench.k, family[-1])
        family.append(child)
    assert sum(t.se.counter for t in family) == counter
    while len(family) > 1:
        dead = family.pop()
        dead.parent = family[-1]
        core.sched_exit(bench.k, dead)
    assert parent.se.counter <= min(counter, nice_to_ticks(bench.k, -20))


def test_2_4_shares_time_by_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "goodness")
    tasks = [bench.spawn() for _ in range(3)]
    bench.renice(tasks[2], 19)
    start = [bench.runtime(t) for t in tasks]
    bench.run(650 * TICK)
    ran = [(bench.runtime(t) - s) / TICK for t, s in zip(tasks, start, strict=True)]
    full, least = nice_to_ticks(bench.k, 0), nice_to_ticks(bench.k, 19)
    assert full == 6
    assert ran[0] == pytest.approx(650 * full / (2 * full + least), abs=2 * full)
    assert ran[2] == pytest.approx(650 * least / (2 * full + least), abs=2 * full)


def fifo(bench: Bench, count: int, policy: int = SCHED_FIFO, priority: int = 10) -> list[Task]:
    """Real-time tasks of one priority, the first of which runs."""
    tasks = [bench.spawn() for _ in range(count)]
    for task in tasks:
        make_rt(bench, task, policy, priority)
    assert bench.k.current is tasks[0]
    return tasks


def test_nice_does_not_move_a_fifo_task_in_its_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    first, second = fifo(bench, 2)
    high = bench.spawn()
    bench.renice(first, 5)
    assert first.se.nice == 5
    make_rt(bench, high, SCHED_FIFO, 50)
    assert bench.k.current is high
    bench.sleep()
    assert bench.k.current is first, "it was preempted, and is still the first of its priority"
    bench.sleep()
    assert bench.k.current is second


def test_the_same_policy_again_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    first, _ = fifo(bench, 2)
    make_rt(bench, first, SCHED_FIFO, 10)
    core.resched_task(bench.k, first)
    bench.maybe_schedule()
    assert bench.k.current is first


def test_another_priority_is_a_new_place_at_the_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    first, second, third = fifo(bench, 3)
    make_rt(bench, first, SCHED_FIFO, 5)
    make_rt(bench, third, SCHED_FIFO, 5)
    assert bench.k.current is second
    make_rt(bench, second, SCHED_FIFO, 5)
    assert bench.k.current is first
    bench.sleep()
    assert bench.k.current is third
    bench.sleep()
    assert bench.k.current is second


@pytest.mark.parametrize(
    ("runtime_us", "share"), [(950_000, 0.95), (300_000, 0.3), (1_000_000, 1), (-1, 1)]
)
def test_real_time_tasks_leave_a_part_of_each_second(
    monkeypatch: pytest.MonkeyPatch, runtime_us: int, share: float
) -> None:
    bench = Bench(monkeypatch)
    bench.k.sched.tunables.sched_rt_runtime_us = runtime_us
    loop, normal = bench.spawn(), bench.spawn()
    make_rt(bench, loop, SCHED_FIFO, 99)
    start = bench.runtime(loop), bench.runtime(normal)
    for second in range(1, 6):
        bench.run(100 * TICK)
        used = bench.runtime(loop) - start[0]
        # A tick late at most, and that is taken off the next second's part.
        assert abs(used - second * share * 100 * TICK) <= 2 * TICK
        assert used + bench.runtime(normal) - start[1] == second * 100 * TICK


def test_held_back_real_time_tasks_leave_the_cpu_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    loop = bench.spawn()
    make_rt(bench, loop, SCHED_FIFO, 1)
    bench.run(97 * TICK)
    assert bench.k.current is bench.k.sched.idle
    bench.run(4 * TICK)
    assert bench.k.current is loop


def test_2_4_real_time_tasks_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "goodness")
    tasks = fifo(bench, 3, SCHED_RR)
    seen = []
    for _ in range(60):
        if not seen or seen[-1] is not bench.k.current:
            seen.append(bench.k.current)
        bench.run(TICK)
    assert seen[:6] == tasks * 2 or seen[:6] == [tasks[0], tasks[2], tasks[1]] * 2


def test_2_4_a_real_time_task_can_yield_to_its_like_only(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "goodness")
    bench.spawn()
    first, second = (bench.spawn() for _ in range(2))
    make_rt(bench, first, SCHED_FIFO, 7)
    make_rt(bench, second, SCHED_FIFO, 7)
    assert bench.k.current is first
    bench.run(20 * TICK)
    assert bench.k.current is first, "FIFO has no slice"
    bench.yield_()
    assert bench.k.current is second
    bench.yield_()
    assert bench.k.current is first
