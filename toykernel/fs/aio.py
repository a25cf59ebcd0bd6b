"""Asynchronous I/O (fs/aio.c): a context of a process, its requests, and the ring in its memory that tells
of those which are done.

Reads and writes are done while they are submitted, as Linux does them where the page cache has the bytes;
what stays behind are polls, until their file is ready. A context is known by the address of its ring.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from dataclasses import field
from typing import TYPE_CHECKING, Any

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.errno import EAGAIN, EINVAL, Errno
from toykernel.fs.eventfd import EventfdCtx, eventfd_signal
from toykernel.fs.file import File, fput, get_file
from toykernel.kernel.wait import WaitCallback, WaitQueue, wake_up
from toykernel.mm.filemap import AddressSpace
from toykernel.mm.mm_types import (
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)
from toykernel.mm.mman import MAP_NORESERVE, MAP_SHARED
from toykernel.mm.mmap import do_munmap, get_unmapped_area, mmap_region, user_mm

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel

#: struct aio_ring: id, nr, head, tail, magic, compat_features, incompat_features, header_length.
_RING = struct.Struct("<8I")
#: struct io_event: data, obj, res, res2.
EVENT = struct.Struct("<QQqq")
AIO_RING_MAGIC = 0xA10A10A1
_HEAD, _TAIL = 8, 12  # offsets in the ring
_VM_FLAGS = VM_READ | VM_WRITE | VM_SHARED | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_MAYSHARE


@dataclass(eq=False)
class AioKiocb:
    """struct aio_kiocb: a request that is not done. `iocb` is its address, `data` what its event says;
    `events` are those that a poll waits for, on the queues where its `callbacks` are."""

    slab: int
    ctx: Kioctx
    file: File
    iocb: int
    data: int
    eventfd: File | None
    events: int = 0
    callbacks: list[tuple[WaitQueue, WaitCallback]] = field(default_factory=list)


@dataclass(eq=False)
class Kioctx:
    """struct kioctx: `nr_events` fit the ring, less one; `room` requests may be there that nobody has heard
    the end of. `max_reqs` is what was asked for, and counts against aio-max-nr."""

    slab: int
    mapping: AddressSpace
    max_reqs: int
    nr_events: int
    room: int
    wait: WaitQueue
    tail: int = 0
    dead: bool = False
    active: dict[AioKiocb, None] = field(default_factory=dict)

    def frames(self) -> list[int]:
        """Of the ring, in order."""
        return [pfn for _, pfn in sorted(self.mapping.pages.items())]


# -- the ring --------------------------------------------------------------------------------------


def _at(ctx: Kioctx, offset: int) -> int:
    """The physical address of a byte of the ring."""
    return (ctx.mapping.pages[offset >> PAGE_SHIFT] << PAGE_SHIFT) + (offset & (PAGE_SIZE - 1))


def _head(k: Kernel, ctx: Kioctx) -> int:
    """Where the next event is taken from, as the program has left it."""
    return k.machine.ram.read32(_at(ctx, _HEAD)) % ctx.nr_events


def _events(k: Kernel, ctx: Kioctx) -> int:
    """How many are in the ring."""
    return (ctx.tail - _head(k, ctx)) % ctx.nr_events


def _event_at(ctx: Kioctx, place: int) -> int:
    """An event is in one page: the header takes the room of one, and pages hold whole ones."""
    return _at(ctx, _RING.size + place * EVENT.size)


def read_ring(k: Kernel, ctx: Kioctx, most: int) -> list[bytes]:
    """The events that are there, the oldest first; they stay."""
    head = _head(k, ctx)
    places = [(head + n) % ctx.nr_events for n in range(min(most, _events(k, ctx)))]
    return [k.machine.ram.read(_event_at(ctx, place), EVENT.size) for place in places]


def take_events(k: Kernel, ctx: Kioctx, count: int) -> None:
    """The oldest have been told, and make room."""
    k.machine.ram.write32(_at(ctx, _HEAD), (_head(k, ctx) + count) % ctx.nr_events)


# -- contexts --------------------------------------------------------------------------------------


def ioctx_alloc(k: Kernel, nr_events: int) -> int:
    """A context for so many requests; the address of its ring.

    Raises Errno(EINVAL) for more than a ring may hold, Errno(EAGAIN) for more than aio-max-nr leaves,
    Errno(ENOMEM).
    """
    max_reqs, mm = nr_events, user_mm(k)
    nr_events = max(nr_events, 4) * 2  # one processor; each keeps a share at hand
    if nr_events > 0x10000000 // EVENT.size:
        raise Errno(EINVAL)
    if max_reqs > k.files.aio_max_nr:
        raise Errno(EAGAIN)
    pages = -(-(_RING.size + EVENT.size * (nr_events + 2)) // PAGE_SIZE)
    nr_events = (pages * PAGE_SIZE - _RING.size) // EVENT.size
    batch = max((nr_events - 1) // 4, 1)
    with ExitStack() as undo:
        slab = k.memory.slabs.kioctx.alloc(k)
        undo.callback(k.memory.slabs.kioctx.free, k, slab)
        mapping = AddressSpace("/[aio] (deleted)", size=pages * PAGE_SIZE)
        mapping.map_area(k)  # the context's own use
        undo.callback(mapping.unmap_area, k)
        for index in range(pages):
            mapping.find_or_create_page(k, index)
        room = (nr_events - 1) // batch * batch
        ctx = Kioctx(slab, mapping, max_reqs, nr_events, room, WaitQueue("aio"))
        mapping.private = ctx
        length = pages * PAGE_SIZE
        address = get_unmapped_area(k, mm, 0, length, MAP_SHARED)
        flags = MAP_SHARED | MAP_NORESERVE
        mmap_region(k, mm, address, length, flags, _VM_FLAGS, 0, mapping, mapping.name)
        undo.callback(do_munmap, k, mm, address, length)
        if k.files.aio_nr + max_reqs > k.files.aio_max_nr:
            raise Errno(EAGAIN)
        undo.pop_all()
    k.files.aio_nr += max_reqs
    header = (len(mm.ioctx), nr_events, 0, 0, AIO_RING_MAGIC, 1, 0, _RING.size)
    k.machine.ram.write(_at(ctx, 0), _RING.pack(*header))
    mm.ioctx.append(ctx)
    return address


def lookup_ioctx(k: Kernel, address: int) -> Kioctx:
    """The context of the current process whose ring is mapped there. Raises Errno(EINVAL)."""
    mm = user_mm(k)
    area = mm.find_exact(address)
    ctx = area.mapping.private if area is not None and area.mapping is not None else None
    if area is None or area.vm_start != address or ctx not in mm.ioctx:
        raise Errno(EINVAL)
    assert isinstance(ctx, Kioctx)
    return ctx


def kill_ioctx(k: Kernel, mm: MmStruct, ctx: Kioctx) -> None:
    """It takes no more requests, what waits is given up, and who waits for events hears EINVAL."""
    mm.ioctx.remove(ctx)
    ctx.dead = True
    for req in list(ctx.active):
        iocb_destroy(k, req)
    k.files.aio_nr -= ctx.max_reqs
    wake_up(k, ctx.wait, nr_exclusive=0)
    ctx.mapping.private = None
    ctx.mapping.unmap_area(k)
    k.memory.slabs.kioctx.free(k, ctx.slab)


def exit_aio(k: Kernel, mm: MmStruct) -> None:
    """The address space goes, and its contexts with it."""
    for ctx in list(mm.ioctx):
        kill_ioctx(k, mm, ctx)


# -- requests --------------------------------------------------------------------------------------


def aio_get_req(
    k: Kernel, ctx: Kioctx, file: File, iocb: int, data: int, eventfd: File | None
) -> AioKiocb:
    """A request with a place in the ring kept for its event. Raises Errno(EAGAIN), Errno(ENOMEM)."""
    if len(ctx.active) + _events(k, ctx) >= ctx.room:
        raise Errno(EAGAIN)
    slab = k.memory.slabs.aio_kiocb.alloc(k)
    held = get_file(eventfd) if eventfd is not None else None
    req = AioKiocb(slab, ctx, get_file(file), iocb, data, held)
    ctx.active[req] = None
    return req


def iocb_destroy(k: Kernel, req: AioKiocb) -> None:
    """The request is over, and nobody is told."""
    del req.ctx.active[req]
    for queue, callback in req.callbacks:
        queue.callbacks.pop(callback, None)
    req.callbacks.clear()
    for file in (req.file, req.eventfd):
        if file is not None:
            fput(k, file)
    k.memory.slabs.aio_kiocb.free(k, req.slab)


def aio_complete(k: Kernel, req: AioKiocb, result: int) -> None:
    """It is done: its event is in the ring, and who waits for events or at its eventfd hears of it."""
    ctx = req.ctx
    if req not in ctx.active:
        return  # its context has gone meanwhile
    event = EVENT.pack(req.data, req.iocb, result, 0)
    k.machine.ram.write(_event_at(ctx, ctx.tail), event)
    ctx.tail = (ctx.tail + 1) % ctx.nr_events
    k.machine.ram.write32(_at(ctx, _TAIL), ctx.tail)
    if req.eventfd is not None:
        counter = req.eventfd.private
        assert isinstance(counter, EventfdCtx)
        eventfd_signal(k, counter)
    iocb_destroy(k, req)
    wake_up(k, ctx.wait)


def aio_poll(k: Kernel, req: AioKiocb, events: int) -> None:
    """Done when one of `events` is there. Raises Errno(EINVAL) for a file that will never tell."""
    req.events = events
    queues: list[WaitQueue] = []
    mask = req.file.op.poll(k, req.file, queues) & events
    if mask:
        aio_complete(k, req, mask)
        return
    if not queues:
        raise Errno(EINVAL)
    for queue in queues:
        callback = WaitCallback(aio_poll_wake, req)
        queue.callbacks[callback] = None
        req.callbacks.append((queue, callback))


def aio_poll_wake(k: Kernel, callback: WaitCallback, key: Any) -> bool:
    """Something has happened at the file of a poll."""
    req: AioKiocb = callback.data
    if req not in req.ctx.active:
        return False
    if not isinstance(key, int) or not key:
        key = req.file.op.poll(k, req.file, []) & req.events
    if key & req.events:
        aio_complete(k, req, key)  # all that has happened, whatever was asked for
    return False
