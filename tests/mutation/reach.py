"""A pytest plugin that writes down which functions each test calls, and how long it takes.

    PYTHONPATH=tests/mutation REACH=FILE pytest -p reach ...

Writes {test: [seconds, [function, ...]]}; a function is "path:first line", its path relative to the
current folder.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from types import CodeType, FrameType

import pytest

_found: dict[str, tuple[float, list[str]]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    called: set[CodeType] = set()

    def note(frame: FrameType, _event: str, _argument: object) -> None:
        called.add(frame.f_code)  # and no line of it is asked for

    started = time.monotonic()
    sys.settrace(note)
    try:
        return (yield)
    finally:
        sys.settrace(None)
        here = f"{Path.cwd()}/"
        functions = (f"{code.co_filename}:{code.co_firstlineno}" for code in called)
        names = sorted(name.removeprefix(here) for name in functions if name.startswith(here))
        _found[item.nodeid] = (time.monotonic() - started, names)


def pytest_sessionfinish() -> None:
    Path(os.environ["REACH"]).write_text(json.dumps(_found), encoding="utf-8")
