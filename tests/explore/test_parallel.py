"""Many workers: the same outcomes and the same text as one, and none that dies takes anything along."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from toykernel.cli.group import call
from toykernel.cli.workers import of_processes
from toykernel.explore import parallel
from toykernel.explore.exploration import Settings, Workers, explore
from toykernel.explore.parallel import ParallelSearch, Part, Task, explore_part
from toykernel.explore.search import Bounds
from toykernel.explore.world import At
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
    monkeypatch.setattr(parallel, "PART", 4)
    alone = explore(lambda: session("pipe_writers"), Settings())
    many = explore(lambda: session("pipe_writers"), Settings(), workers=Workers(of_processes(2)))
    assert many.found.graph == alone.found.graph
    assert many.table == alone.table


def _dies_once(marker: str, work: partial[Part], task: Task, known: frozenset[bytes]) -> Part:
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return work(task, known)
    os._exit(9)


def test_a_worker_that_dies_loses_nothing(tmp_path: Path) -> None:
    made: list[Executor] = []

    def pool() -> Executor:
        made.append(ProcessPoolExecutor(2))
        return made[-1]

    remote = Workers(pool).remote(session("pipe_writers"))
    work = partial(explore_part, remote, None, At.SYSCALLS, frozenset(), None)
    dying = partial(_dies_once, str(tmp_path / "died"), work)
    found = ParallelSearch(pool, dying, Bounds(), lambda found: None).run()
    assert len(made) == 2
    alone = explore(lambda: session("pipe_writers"), Settings())
    assert found.complete
    assert found.graph.in_order() == alone.found.graph


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
