"""Faults put into the kernel, one at a time: exploration finds the order in which each is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from toykernel.check.invariants import install
from toykernel.explore.ending import End
from toykernel.explore.exploration import Explored, Settings, explore
from toykernel.fs import pipe as pipe_module
from toykernel.harness.session import Session
from toykernel.kernel import fork_mm
from toykernel.mm.page_alloc import PageAllocator
from toykernel.state import Config

PROGRAMS = Path(__file__).parent / "programs"


def explored(name: str) -> Explored:
    program = PROGRAMS / f"{name}.S"
    config = Config(scheduler="schedule")
    return explore(lambda: Session(program, config=config), Settings(), install)


def ends(made: Explored) -> set[End]:
    return {row.ending.end for row in made.table}


def test_the_kernel_as_it_is_breaks_nothing() -> None:
    assert ends(explored("pipe_writers")) == {End.FINISHED}
    assert ends(explored("two_writers")) == {End.FINISHED}


def test_a_lost_wake_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that wakes nobody: only whoever reads first sleeps for ever."""
    monkeypatch.setattr(pipe_module, "wake_up", lambda *args, **kwargs: None)
    assert End.DEADLOCK in ends(explored("pipe_writers"))


def test_a_reference_that_was_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PageAllocator, "get_page", lambda self, pfn: None)
    monkeypatch.setattr(PageAllocator, "get_pages", lambda self, pfns: None)
    found = ends(explored("two_writers"))
    assert found & {End.BROKEN, End.BUG}


def test_a_flush_that_fork_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_mm, "flush_tlb_mm", lambda k, mm: None)
    (row, *_) = (one for one in explored("two_writers").table if one.ending.end is End.BROKEN)
    assert "not flushed after a change" in row.explanation
