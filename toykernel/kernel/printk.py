"""The kernel's log (kernel/printk.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.state import Kernel


def printk(k: Kernel, text: str) -> None:
    """A line of the log, with the cycle at which it was written."""
    k.log.append((k.machine.clock.cycles, text))
    if k.files.log_readers is not None:
        k.files.log_readers.wake(k)
