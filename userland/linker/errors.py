"""The one error type of the linker."""

from __future__ import annotations


class LinkError(Exception):
    """Objects that do not make a program; the text names the object, and what to do.

    `place` is where the use was written, when its line is known: `file:line`.
    """

    def __init__(self, message: str, hint: str | None = None, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.hint = hint
        self.place = place
