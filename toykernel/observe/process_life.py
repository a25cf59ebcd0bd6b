"""One task's life, as the picture of a run's processes has it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Life:
    """One task: when it was born, ran, exec'd, died and was released, in cycles; None: not in this run.

    `number` counts the births, `parent` is the one who forked: pids are used again.
    """

    number: int
    pid: int
    tgid: int
    parent: int | None
    comm: str
    born: int
    died: int | None = None
    released: int | None = None
    end: str = ""
    execs: list[tuple[int, str]] = field(default_factory=list)
    turns: list[tuple[int, int]] = field(default_factory=list)  # on the CPU
    ready: list[tuple[int, int]] = field(default_factory=list)  # it could run, and had no CPU
    ready_since: int | None = None
    faults: list[tuple[int, str, int]] = field(default_factory=list)  # when, kind, address

    @property
    def thread(self) -> bool:
        """A thread of another task's group."""
        return self.pid != self.tgid

    def end_wait(self, now: int) -> None:
        """It waits for the CPU no longer."""
        if self.ready_since is not None:
            self.ready.append((self.ready_since, now))
            self.ready_since = None
