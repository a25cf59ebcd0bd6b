"""A pytest plugin that writes down which functions and lines each test reaches, and how long it takes.

    PYTHONPATH=tests/mutation REACH=FILE REACH_LINES=FILE pytest -p reach ...

Writes {test: [seconds, ["path:line", ...]]}, with paths relative to the current folder: the first lines of
the functions that are called, and of the lines that REACH_LINES names those that are run. All lines would
take seven times as long. A test that fails is left out. What sets up a fixture of a module or session counts
as reached by every test that uses it, not only by the first.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

_HERE = f"{Path.cwd()}/"
Lines = dict[CodeType, set[int]]


def _lines_to_watch() -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for line in Path(os.environ["REACH_LINES"]).read_text(encoding="utf-8").split():
        path, _, number = line.rpartition(":")
        found[path].add(int(number))
    return found


class _Tracer:
    """Notes lines while it is the interpreter's trace function."""

    def __init__(self) -> None:
        self._watched = _lines_to_watch()
        self._wanted: Lines = {}
        self.missing: Lines = {}

    def wanted(self, code: CodeType) -> set[int]:
        """The lines of a function to look for."""
        if code not in self._wanted:
            watched = self._watched.get(code.co_filename.removeprefix(_HERE), set())
            lines = {line for _, _, line in code.co_lines()} & watched
            self._wanted[code] = {code.co_firstlineno, *lines}
        return self._wanted[code]

    def call(self, frame: FrameType, _event: str, _argument: object) -> Any:
        code = frame.f_code
        missing = self.missing.get(code)
        if missing is None:
            missing = self.missing[code] = set(self.wanted(code))
        missing.discard(code.co_firstlineno)
        missing.discard(frame.f_lineno)
        return self._line if missing else None

    def _line(self, frame: FrameType, _event: str, _argument: object) -> Any:
        missing = self.missing[frame.f_code]
        missing.discard(frame.f_lineno)
        if not missing:
            frame.f_trace_lines = False
        return self._line

    def reached(self) -> set[str]:
        """What has been seen of the project's own."""
        return {
            f"{code.co_filename.removeprefix(_HERE)}:{line}"
            for code, missing in self.missing.items()
            if code.co_filename.startswith(_HERE)
            for line in self.wanted(code) - missing
        }


_tracer = _Tracer()
_found: dict[str, tuple[float, list[str]]] = {}
#: Those that fail without any fault say nothing about one.
_failed: set[str] = set()
#: What has been reached while a fixture that several tests share was set up: by its name and place.
_shared: dict[tuple[str, str], set[str]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object],
) -> Generator[None, object, object]:
    if fixturedef.scope == "function":
        return (yield)
    outer, _tracer.missing = _tracer.missing, {}
    try:
        return (yield)
    finally:
        sys.settrace(None)
        key = (fixturedef.argname, fixturedef.baseid)
        _shared[key] = _tracer.reached()
        _tracer.missing = outer
        sys.settrace(_tracer.call)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    started = time.monotonic()
    _tracer.missing = {}
    sys.settrace(_tracer.call)
    try:
        return (yield)
    finally:
        sys.settrace(None)
        reached = _tracer.reached()
        fixtures = set(getattr(item, "fixturenames", ()))
        for (name, place), lines in _shared.items():
            if name in fixtures and item.nodeid.startswith(place):
                reached |= lines
        _found[item.nodeid] = (time.monotonic() - started, sorted(reached))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    passed = {test: found for test, found in _found.items() if test not in _failed}
    Path(os.environ["REACH"]).write_text(json.dumps(passed), encoding="utf-8")
