"""What a listener writes line by line, heard once, though the run goes back and comes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.collector import Collector

if TYPE_CHECKING:
    from toykernel.state import Kernel


class Once(Collector):
    """Stands between a listener of one kernel and a file: `said` goes back with the run, `_told` does not."""

    collected = ("said",)

    def __init__(self, k: Kernel, write: Callable[[bytes], None]) -> None:
        self._write = write
        self.said = self._told = 0  # bytes
        k.host.trace.run_over.append(self.over)  # a snapshot takes along who listens

    def __call__(self, data: bytes) -> None:
        self.said += len(data)
        new = self.said - self._told
        if new > 0:
            self._told = self.said
            self._write(data[-new:])

    def over(self) -> None:
        """The end of a run: all of it was written as it came."""

    def forget_future(self, said: int) -> None:
        """The guest was changed when so much was said: what comes behind that has not been said before."""
        self._told = min(self._told, said)
