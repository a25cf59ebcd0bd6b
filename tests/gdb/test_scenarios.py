"""What a real gdb shows of the guest: every scenario of tests/gdb/scenarios, by its text."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.gdb import scenario

#: gdb's texts change from version to version: the scenarios were written with this one (Debian 12).
MAJOR = 13


def _version() -> int | None:
    if scenario.GDB is None:
        return None
    text = subprocess.run(
        [scenario.GDB, "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"(\d+)\.\d+", text)
    return int(found[1]) if found else None


VERSION = _version()
pytestmark = pytest.mark.skipif(
    VERSION != MAJOR,
    reason=f"NO GDB {MAJOR} ON THIS MACHINE (found: {VERSION}): toykernel gdb is not tried with a real one",
)


@pytest.mark.parametrize("path", scenario.FILES, ids=lambda path: path.stem)
def test_gdb_prints_what_the_scenarios_say(path: Path) -> None:
    options, scenarios = scenario.read(path)
    printed = scenario.run(options, scenarios)
    assert len(printed) == len(scenarios)
    for one, text in zip(scenarios, printed, strict=True):
        assert text == one.expected, f"{path.name}: {one.title}"


def test_there_are_sixty_of_them() -> None:
    assert sum(len(scenario.read(path)[1]) for path in scenario.FILES) >= 60
