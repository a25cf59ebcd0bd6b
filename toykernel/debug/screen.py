"""The debugger's lines on a terminal: with colours, and a screenful at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

#: What `--color` takes.
WHEN = ("auto", "always", "never")
#: Parts of a line, and how they are set apart (ECMA-48, Select Graphic Rendition).
_PARTS = re.compile(
    r"(?P<here>^=>)"
    r"|(?P<stop>^(?:Temporary breakpoint|Breakpoint|Watchpoint|Checkpoint) \d+)"
    r"|(?P<symbol><[\w.$@:-]+(?:\+\d+)?>)"
    r"|(?P<address>\b0x[0-9a-f]{8}\b)"
    r"|(?P<comment>(?:^|\s)#\s.*$)"
)
_LOOKS = {"here": "1;32", "stop": "1", "symbol": "36", "address": "33", "comment": "2"}
#: What is asked when the screen is full.
MORE = "-- Enter goes on, q leaves --"


def wants_colour(when: str, environment: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether there are to be colours: see https://no-color.org."""
    if when != "auto":
        return when == "always"
    return terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def coloured(line: str) -> str:
    """A line with its parts set apart; without its colours it is what it was."""
    return _PARTS.sub(lambda m: f"\x1b[{_LOOKS[str(m.lastgroup)]}m{m[0]}\x1b[0m", line)


class Screen:
    """Takes lines. `write` puts one on the terminal; between `begin` and `end`, when the terminal is full,
    `ask` is called, and an answer that begins with q leaves out the rest.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        colour: bool = False,
        size: Callable[[], tuple[int, int]] = lambda: (80, 24),
        ask: Callable[[], str] = lambda: "",
    ) -> None:
        """`size` is in columns and rows."""
        self._write, self._colour, self._size, self._ask = write, colour, size, ask
        self._paging = self._left = False
        self._rows = 0  # written since `begin`, or since the last question

    def __call__(self, line: str) -> None:
        columns, rows = self._size()
        needs = max(-(-len(line) // max(columns, 1)), 1)
        if self._paging and not self._left and self._rows + needs > max(rows - 1, 1):
            self._rows = 0
            self._left = self._ask().strip().lower().startswith("q")
        if not self._left:
            self._rows += needs
            self._write(coloured(line) if self._colour else line)

    def begin(self) -> None:
        """Somebody has typed a command."""
        self._paging, self._left, self._rows = True, False, 0

    def end(self) -> None:
        """It is done."""
        self._paging = self._left = False
