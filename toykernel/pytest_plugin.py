"""The pytest plugin: fixtures for tests of guest programs (see docs/testing.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from toykernel.testing import Run


@pytest.fixture
def boot(request: pytest.FixtureRequest) -> Callable[..., Run]:
    """boot(PROGRAM, [ARGS], memory=…, eager_fork=…): a program ready to run.

    A relative path is looked up beside the test file first, then in the working directory.
    """
    from toykernel import testing

    def start(program: Path | str, *args: Any, **options: Any) -> Run:
        beside = request.path.parent / program
        return testing.boot(beside if beside.exists() else program, *args, **options)

    return start


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Run]:
    """program(SOURCE, [ARGS], …): testing.boot for assembly source given as text."""
    from toykernel import testing

    def start(source: str, *args: Any, **options: Any) -> Run:
        path = tmp_path / "program.S"
        path.write_text(source)
        return testing.boot(path, *args, **options)

    return start
