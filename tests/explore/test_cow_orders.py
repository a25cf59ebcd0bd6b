"""A page that one order copies on write and another does not."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from toykernel.cli.group import call
from toykernel.explore.explain import replay
from toykernel.explore.exploration import Settings, explore
from toykernel.explore.report import CowPage
from toykernel.harness.session import Session
from toykernel.kernel.sched.runqueue import Choice
from toykernel.state import Config

USERLAND = Path(__file__).parents[2] / "userland"


def session(name: str) -> Session:
    return Session(USERLAND / f"{name}.S", config=Config(scheduler="schedule"))


def kinds(name: str, page: CowPage, way: tuple[Choice, ...]) -> list[str]:
    """What becomes of that page, in the run by a schedule."""
    run, _ = replay(partial(session, name), way)
    run.run()
    return [
        fault.kind
        for fault in run.faults
        if (fault.pid, fault.address & ~0xFFF) == (page.pid, page.page)
    ]


def test_whoever_writes_first_pays() -> None:
    made = explore(partial(session, "fork_sample"), Settings(cow=True))
    assert [(one.pid, one.place.split(": ")[1]) for one in made.cow] == [
        (2, "incl counter"),
        (3, "incl counter"),
    ]
    for page in made.cow:
        assert "cow_copied" in kinds("fork_sample", page, page.copied)
        assert "cow_copied" not in kinds("fork_sample", page, page.reused)
        assert "cow_reused" in kinds("fork_sample", page, page.reused)


def test_a_program_that_makes_sure_of_its_order_has_none() -> None:
    assert explore(partial(session, "cow_first_writer"), Settings(cow=True)).cow == []


def test_text_and_json_tell_both_schedules_whatever_the_number_of_workers(
    tmp_path: Path, capfd
) -> None:
    program, said = str(USERLAND / "fork_sample.S"), []
    for jobs in ("1", "2"):
        file = tmp_path / f"{jobs}.json"
        assert call(["explore", "--cow", "-j", jobs, "--json", str(file), program]) == 0
        said.append((capfd.readouterr().out, json.loads(file.read_text())))
    assert said[0] == said[1]
    text, data = said[0]
    assert "2 pages: one order copies it on write, another does not" in text
    assert [one["pid"] for one in data["cow"]] == [2, 3]
    assert all(one["copied"] != one["reused"] for one in data["cow"])


def test_nothing_is_told_of_it_where_it_is_not_asked_for(capfd) -> None:
    assert call(["explore", str(USERLAND / "fork_sample.S")]) == 0
    assert "on write" not in capfd.readouterr().out
