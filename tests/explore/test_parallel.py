"""Many workers: the same outcomes and the same text as one, and none that dies takes anything along."""

from __future__ import annotations

import os
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from toykernel.cli.group import call
from toykernel.cli.workers import of_processes
from toykernel.explore import parallel
from toykernel.explore.claims import Claims
from toykernel.explore.exploration import Settings, Workers, explore
from toykernel.explore.parallel import ParallelSearch, Part, Work
from toykernel.explore.search import Bounds, Search, Task
from toykernel.explore.world import At, World
from toykernel.harness.session import Session
from toykernel.state import Config

PROGRAMS = Path(__file__).parent / "programs"
CONFIG = Config(scheduler="schedule")


def session(name: str) -> Session:
    return Session(PROGRAMS / f"{name}.S", config=CONFIG)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pipe_writers", []),
        ("philosophers", ["--preemptions", "1"]),
        ("increment_twice", ["--at", "memory"]),
        ("double_wait", []),
    ],
)
def test_the_text_is_the_same_whatever_the_number(name, options, capfd) -> None:
    said = []
    for jobs in ("1", "2"):
        call(["explore", "-j", jobs, *options, str(PROGRAMS / f"{name}.S")])
        said.append(capfd.readouterr().out)
    assert said[0] == said[1]
    assert "outcome" in said[0]


def test_small_parts_make_the_same_graph(monkeypatch) -> None:
    monkeypatch.setattr(parallel, "PART", 12)
    alone = explore(lambda: session("pipe_writers"), Settings())
    many = explore(lambda: session("pipe_writers"), Settings(), workers=Workers(of_processes(2)))
    assert many.found.graph == alone.found.graph
    assert many.table == alone.table


@dataclass(frozen=True)
class Dying(Work):
    """One worker dies in the midst of its second part, with states claimed that nobody else will enter."""

    folder: str = ""

    def __call__(self, task: Task, known: frozenset[bytes], most: int) -> Part:
        part = super().__call__(task, known, most)
        if task.way and not (died := Path(self.folder, "died")).exists():
            died.touch()
            os._exit(9)
        return part


def test_a_worker_that_dies_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "FIRST_PART", 10)
    made: list[Executor] = []

    def pool() -> Executor:
        made.append(ProcessPoolExecutor(2))
        return made[-1]

    remote = Workers(pool).remote(session("pipe_writers"))
    dying = Dying(remote, None, At.SYSCALLS, frozenset(), Bounds(), folder=str(tmp_path))
    found = ParallelSearch(pool, dying, Bounds(), lambda found: None).run()
    assert len(made) == 2
    alone = explore(lambda: session("pipe_writers"), Settings())
    assert found.complete
    assert found.graph.in_order() == alone.found.graph


class Here(Executor):
    """Does the work at once. Loses the second part like a cluster that does it again by itself: the states
    that it has claimed stay claimed."""

    def __init__(self) -> None:
        self.parts = 0

    def submit(self, work, /, *args, **kwargs) -> Future[Part]:
        self.parts += 1
        if self.parts == 2:
            work(*args)
        done: Future[Part] = Future()
        done.set_result(work(*args))
        return done


@pytest.mark.parametrize("shared", [True, False])
def test_states_that_were_claimed_and_lost_are_entered(shared, monkeypatch) -> None:
    monkeypatch.setattr(parallel, "FIRST_PART", 10)
    monkeypatch.setattr(parallel, "PART", 100)
    if not shared:
        monkeypatch.setattr(Claims, "shared", lambda path: None)
    alone = explore(lambda: session("pipe_writers"), Settings())
    many = explore(
        lambda: session("pipe_writers"), Settings(), workers=Workers(Here, elsewhere=not shared)
    )
    assert many.found.graph == alone.found.graph
    assert many.found.complete


def test_a_state_belongs_to_who_claims_it_first() -> None:
    with Claims.made(10) as table:
        other = Claims.shared(table.path)
        assert other is not None
        key, longer = bytes(range(16)), bytes(range(22))
        assert [table.claim(key), other.claim(key)] == [True, False]
        assert [other.claim(longer), table.claim(longer)] == [True, False]
        table.renew([longer])
        assert [table.claim(key), table.claim(longer)] == [True, False]
        assert not other.claim(key)  # in the old one
    assert Claims.shared(table.path) is None
    assert Claims.shared("") is None


def test_a_file_that_is_no_table_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "claims").write_bytes(bytes(4096))
    assert Claims.shared(str(tmp_path / "claims")) is None


def test_a_task_and_its_halves_are_the_same() -> None:
    """What a bound has left, in pieces that are explored by themselves, is all that is left."""
    whole = Search(World(lambda: session("pipe_writers"), None), Bounds(), lambda found: None)
    whole.run()
    world = World(lambda: session("pipe_writers"), None)
    some = Search(world, Bounds(states=40), lambda found: None)
    some.run()
    keys = set(some.keys)
    todo = [some.rest]
    while todo:
        task = todo.pop()
        assert task is not None
        halves = task.split()
        if len(halves) > 1 and len(todo) < 5:
            todo += halves
            continue
        part = Search(
            World(lambda: session("pipe_writers"), None),
            Bounds(),
            lambda found: None,
            lambda key, known=frozenset(keys): key not in known,
        )
        part.run(task)
        keys |= set(part.keys)
    assert keys == set(whole.keys)


def test_a_bound_stops_them_all(capfd) -> None:
    program = str(PROGRAMS / "fork_between.S")
    assert call(["explore", "-j", "2", "--max-states", "160", program]) == 3
    assert "stopped by --max-states 160" in capfd.readouterr().out


def test_what_a_program_reads_is_not_at_the_workers(tmp_path, capfd) -> None:
    (tmp_path / "in").write_text("x")
    program = str(PROGRAMS / "two_writers.S")
    assert call(["explore", "-j", "2", "--stdin", str(tmp_path / "in"), program]) == 125
    assert "workers do not have it" in capfd.readouterr().err


@pytest.mark.slow
def test_the_workers_of_a_cluster_do_the_same(capfd) -> None:
    distributed = pytest.importorskip("distributed")
    program = str(PROGRAMS / "pipe_writers.S")
    call(["explore", program])
    alone = capfd.readouterr().out
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        assert call(["explore", "--cluster", cluster.scheduler_address, program]) == 0
    assert capfd.readouterr().out == alone


def test_a_cluster_that_is_not_there_is_told(capfd) -> None:
    pytest.importorskip("distributed")
    program = str(PROGRAMS / "two_writers.S")
    assert call(["explore", "--cluster", "nonsense", program]) == 125
    assert "--cluster" in capfd.readouterr().err
