"""Where the guest was changed by hand on the way to a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.events import Position

if TYPE_CHECKING:
    from toykernel.observe.once import Once


@dataclass(frozen=True)
class Change:
    """One of them: `console` and `lines` are what had been said by then, by descriptor and by listener."""

    position: Position
    console: dict[int, int]
    lines: dict[Once, int]
