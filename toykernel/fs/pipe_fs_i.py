"""What a pipe holds (include/linux/pipe_fs_i.h): a row of buffers, each a page or a part of one.

A buffer's bytes are the pipe's own, or (vmsplice) a program's page: that one is a frame that the kernel
holds, and what a reader gets are the bytes that are in the frame then.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.mm.gup import put_user_page

if TYPE_CHECKING:
    from toykernel.kernel.cred import UserStruct
    from toykernel.kernel.wait import WaitQueue
    from toykernel.state import Kernel

PIPE_DEF_BUFFERS, PIPE_MIN_DEF_BUFFERS = 16, 2


@dataclass
class PipeBuffer:
    """struct pipe_buffer: `length` bytes from `offset` of a page; the page is `data`, or a frame."""

    offset: int
    length: int
    data: bytearray = field(default_factory=bytearray)  # up to offset + length
    pfn: int = 0  # of a user page; 0: the pipe's own
    packet: bool = (
        False  # written with O_DIRECT: read by itself, and what is not read of it is lost
    )

    def can_merge(self, count: int) -> bool:
        """Whether so many bytes more fit behind those that it has (PIPE_BUF_FLAG_CAN_MERGE)."""
        return not self.pfn and not self.packet and self.offset + self.length + count <= PAGE_SIZE


@dataclass(eq=False)
class Pipe:
    """struct pipe_inode_info: the bytes on their way, and how many opens there are of each end."""

    slab: int
    wait: WaitQueue
    user: UserStruct  # who made it, and is charged for its buffers
    bufs: list[PipeBuffer] = field(default_factory=list)
    readers: int = 1
    writers: int = 1
    r_counter: int = 0  # opens for reading there have been; those who wait for one see it grow
    w_counter: int = 0
    ring_size: int = PIPE_DEF_BUFFERS  # how many buffers it may have

    @property
    def full(self) -> bool:
        """pipe_full: there is no buffer left, whatever those there are hold."""
        return len(self.bufs) >= self.ring_size


def peek(k: Kernel, buf: PipeBuffer, count: int) -> bytes:
    """The next bytes of a buffer, as they are now."""
    if buf.pfn:
        return k.machine.ram.read((buf.pfn << PAGE_SHIFT) + buf.offset, count)
    return bytes(buf.data[buf.offset : buf.offset + count])


def consume(k: Kernel, pipe: Pipe, count: int) -> None:
    """Bytes of the first buffer have been read; when all are, the buffer goes, and its frame with it."""
    buf = pipe.bufs[0]
    buf.offset += count
    buf.length -= count
    if not buf.length:
        del pipe.bufs[0]
        release_buffer(k, buf)


def release_buffer(k: Kernel, buf: PipeBuffer) -> None:
    """Let go of the frame of a buffer that refers to a user page (vmsplice)."""
    if buf.pfn:
        put_user_page(k, buf.pfn)
