"""A console that hears each byte once, though the run that says it goes back and comes again."""

from __future__ import annotations

from collections.abc import Callable


class ConsoleOnce:
    """Stands between a session and its console. `said` goes back with the run, `told` does not."""

    def __init__(self, write: Callable[[int, bytes], None]) -> None:
        self._write = write
        self.said: dict[int, int] = {}  # bytes, by descriptor
        self._told: dict[int, int] = {}

    def __call__(self, fd: int, data: bytes) -> None:
        said = self.said[fd] = self.said.get(fd, 0) + len(data)
        new = said - self._told.get(fd, 0)
        if new > 0:
            self._told[fd] = said
            self._write(fd, data[-new:])

    def forget_future(self, said: dict[int, int]) -> None:
        """The guest was changed when it had said so much: what comes behind that has not been said before."""
        self._told = {fd: min(told, said.get(fd, 0)) for fd, told in self._told.items()}
