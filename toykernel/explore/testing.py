"""Assertions about all orders of a program, for tests: see docs/explore.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from toykernel.check.invariants import install
from toykernel.explore.ending import End
from toykernel.explore.exploration import Explored, Settings
from toykernel.explore.exploration import explore as explore_program
from toykernel.explore.promises import same_output
from toykernel.explore.report import Row, as_text, outputs
from toykernel.harness.session import Session
from toykernel.state import Config, Kernel


class Orders:
    """All outcomes of a program. Assertions raise AssertionError, with the table of outcomes."""

    def __init__(self, explored: Explored) -> None:
        self.explored = explored

    @property
    def complete(self) -> bool:
        """Whether no bound was met: there are no other outcomes."""
        return self.explored.found.complete

    @property
    def outcomes(self) -> list[Row]:
        """One for each, with its schedule."""
        return list(self.explored.table)

    @property
    def outputs(self) -> list[bytes]:
        """The different standard outputs, in order."""
        return outputs(self.explored.table)

    def assert_outputs(self, *texts: str) -> None:
        """The program has these standard outputs and no other; a newline at the end may be left out."""
        __tracebackhide__ = True
        self._assert_complete()
        missing = [text for text in texts if not self._with(text)]
        extra = [one for one in self.outputs if not any(same_output(text, one) for text in texts)]
        if missing or extra:
            self._fail(f"outputs: missing {missing}, unexpected {extra}")

    def assert_output_possible(self, text: str) -> None:
        """Some order has this standard output."""
        __tracebackhide__ = True
        if not self._with(text):
            self._fail(f"no order has the output {text!r}")

    def assert_output_impossible(self, text: str) -> None:
        """No order has it."""
        __tracebackhide__ = True
        self._assert_complete()
        if self._with(text):
            self._fail(f"an order has the output {text!r}")

    def assert_no_deadlock(self) -> None:
        """In no order does every task sleep for ever."""
        __tracebackhide__ = True
        self._assert_complete()
        if any(row.ending.end is End.DEADLOCK for row in self.explored.table):
            self._fail("a deadlock is possible")

    def assert_statuses(self, *statuses: int) -> None:
        """The program always ends by itself, with these exit statuses and no others."""
        __tracebackhide__ = True
        self._assert_complete()
        found = {row.ending.how for row in self.explored.table}
        if found != {f"status {status}" for status in statuses}:
            self._fail(f"ends: {', '.join(sorted(found))}")

    def _with(self, text: str) -> list[Row]:
        return [row for row in self.explored.table if same_output(text, row.ending.stdout)]

    def _assert_complete(self) -> None:
        __tracebackhide__ = True
        if not self.complete:
            self._fail("not every order was looked at")

    def _fail(self, what: str) -> None:
        __tracebackhide__ = True
        explored = self.explored
        raise AssertionError(f"{what}\n{as_text(explored.found, explored.table)}")


def explore(
    program: Path | str,
    args: Sequence[str] = (),
    *,
    check: bool = False,
    config: Config | None = None,
    **settings: Any,
) -> Orders:
    """Every order of a program's tasks. `settings` are fields of exploration.Settings: free_time,
    preemptions, max_states, …; with `check` invariants are looked at on every path.

    Raises LoadError, AssemblyError, HostError, and TypeError for a setting that does not exist.
    """
    told = replace(config or Config(), scheduler="schedule", timing="off")
    make = partial(Session, program, args, config=told)
    checker: Callable[[Kernel], object] | None = install if check else None
    return Orders(explore_program(make, Settings(**settings), checker))
