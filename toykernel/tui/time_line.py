"""The line that shows the run from power-on to the last cycle that is known, for the mouse."""

from __future__ import annotations

from dataclasses import dataclass

from textual.events import MouseDown, MouseMove, MouseUp
from textual.message import Message
from textual.widgets import Static


class TimeLine(Static):
    """A press of the mouse goes to the place under it; held, the place goes along, off the line, too."""

    @dataclass
    class Moved(Message):
        """The place is at another column now."""

    #: Where it was held last, from 0.
    column = 0
    _held = False

    def on_mouse_down(self, event: MouseDown) -> None:
        """To there, and hold on."""
        self._held = True
        self.capture_mouse()
        self._go(event.x)

    def on_mouse_move(self, event: MouseMove) -> None:
        """Along with the mouse, while it is held."""
        self._follow(event.x)

    def on_mouse_up(self, event: MouseUp) -> None:
        """Let go, where it is."""
        self._follow(event.x)
        self._held = False
        self.release_mouse()

    def _follow(self, x: int) -> None:
        if self._held and self._column(x) != self.column:
            self._go(x)

    def _column(self, x: int) -> int:
        return min(max(x, 0), max(self.size.width, 1) - 1)

    def _go(self, x: int) -> None:
        self.column = self._column(x)
        self.post_message(self.Moved())
