"""Pipes (fs/pipe.c): 16 pages of bytes between whoever writes and whoever reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.kernel.wait import WaitQueue

PIPE_BUF = 4096
PIPE_SIZE = 16 * 4096


@dataclass(eq=False)
class Pipe:
    """struct pipe_inode_info."""

    slab: int
    wait: WaitQueue
    data: bytearray = field(default_factory=bytearray)
    readers: int = 1
    writers: int = 1
