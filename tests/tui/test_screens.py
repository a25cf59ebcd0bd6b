"""The screen of 80 by 24 at a COW fault and after it, as it is stored beside this file: all of it twice, and
the lower half with every panel.

`PYTHONPATH=tests/tui python tests/tui/test_screens.py` stores it anew: look at what has changed. Numbers that
follow from the kernel's size and prices (cycles, frames, addresses of the kernel) stand as # there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip(
    "textual",
    reason="textual is not installed (pip install 'toykernel[tui]'): no full screen is tested",
)
from test_tui import keys, on_screen, screen

from toykernel.tui.panels import PANELS

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from toykernel.tui.app import DebuggerApp

STORED = Path(__file__).with_name("screens.txt")
#: Of the kernel: addresses but those of the program, frames, lines, and what depends on what it charges.
_NUMBERS = re.compile(
    r"(?<![\w$])(0x(?!0804|bfff)[0-9a-f]{2,}|(?!0804|bfff)[0-9a-f]{8}|\d{3,})(?!\w)"
    r"|(?<=entry\.S:)\d+|(?<=error_code\+)\d+"
)
_UPPER = 13  # lines: of where the machine is, not of a panel
_BAR = re.compile(r" +[▁-█]+$")  # of scrolling


def as_stored(lines: list[str]) -> list[str]:
    """Without what other parts of the machine decide; the time line is tested by itself."""
    lines = [_NUMBERS.sub(lambda m: "#" * len(m[0]), _BAR.sub("", line)) for line in lines]
    lines[1] = re.sub(r"[-|A-Z]", "-", lines[1])
    return lines


def screens() -> dict[str, list[str]]:
    """By title."""
    found = {}

    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        def keep(title: str, *, whole: bool = False) -> None:
            lines = screen(app)
            assert len(lines) == 24
            assert all(len(line) <= 80 for line in lines)
            found[title] = as_stored(lines)[0 if whole else _UPPER :]

        await keys(pilot, "colon", *"tbreak", "space", *"cow", "enter", "c")
        for key, title, _ in PANELS:
            await keys(pilot, key)
            keep(title, whole=key == "1")
        await keys(pilot, "a", *"counter", "enter")
        keep("the page of an address")
        await keys(pilot, "s")
        keep("a step later", whole=True)
        await keys(pilot, "c", "7")
        keep("the end")

    on_screen("fork_sample", act)
    return found


def text(found: dict[str, list[str]]) -> str:
    return "".join(
        f"== {title}\n" + "".join(f"{line}\n" for line in lines) for title, lines in found.items()
    )


def test_every_screen_is_as_stored() -> None:
    assert text(screens()) == STORED.read_text()


if __name__ == "__main__":
    STORED.write_text(text(screens()))
    sys.exit(0)
