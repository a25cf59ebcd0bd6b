"""The auxiliary vector of a program, from its stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.fs.binfmt_elf import AT_NULL
from toykernel.look.filled import read_memory

if TYPE_CHECKING:
    from toykernel.look.task import TaskView

_MOST = 64  # pairs


def auxv(view: TaskView) -> bytes:
    """Where the kernel has put it, behind argc, argv and envp; nothing when the stack is not there."""
    mm = view.task.mm
    if mm is None:
        return b""
    at = mm.start_stack
    words = read_memory(view, at, 4)
    if len(words) < 4:
        return b""
    at += 4 + 4 * (int.from_bytes(words, "little") + 1)
    while int.from_bytes(read_memory(view, at, 4), "little"):
        at += 4
    found, at = b"", at + 4
    while len(found) < 8 * _MOST:
        pair = read_memory(view, at, 8)
        found += pair
        at += 8
        if len(pair) < 8 or int.from_bytes(pair[:4], "little") == AT_NULL:
            break
    return found
