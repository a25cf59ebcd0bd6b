"""epoll (fs/eventpoll.c): a set of watched files, and those of them that something happened to.

Each watched file's wait queues have a callback that puts its item on the ready list; epoll_wait asks the
files on that list for their state. What is still ready goes to the end of the list again, unless it is
watched for changes only (EPOLLET).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toykernel.errno import EINVAL, ELOOP, Errno
from toykernel.fs.anon_inodes import noop_llseek
from toykernel.fs.file import File
from toykernel.fs.operations import POLLERR, POLLHUP, POLLIN, POLLRDNORM, FileOperations
from toykernel.kernel.wait import WaitCallback, WaitQueue, wake_up

if TYPE_CHECKING:
    from toykernel.state import Kernel

EPOLLEXCLUSIVE, EPOLLWAKEUP, EPOLLONESHOT, EPOLLET = 1 << 28, 1 << 29, 1 << 30, 1 << 31
EP_PRIVATE_BITS = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE
#: How deep epoll files may watch each other.
EP_MAX_NESTS = 4


@dataclass(eq=False)
class EpItem:
    """struct epitem: one watched file under one descriptor. `gone` is called when the file is closed."""

    slab: int
    ep: EventPoll
    file: File
    fd: int
    events: int
    data: int
    gone: Callable[[Kernel, EpItem], None]
    callbacks: list[tuple[WaitQueue, WaitCallback]] = field(default_factory=list)


@dataclass(eq=False)
class EventPoll:
    """struct eventpoll: what is watched, what of it is ready; `wait` is for epoll_wait, `poll_wait` for
    who polls the set itself.
    """

    slab: int
    wait: WaitQueue
    poll_wait: WaitQueue
    items: list[EpItem] = field(default_factory=list)
    rdllist: dict[EpItem, None] = field(default_factory=dict)


def ep_find(ep: EventPoll, file: File, fd: int) -> EpItem | None:
    """The item of a file under a descriptor; None."""
    return next((item for item in ep.items if item.fd == fd and item.file is file), None)


def ep_poll_callback(k: Kernel, callback: WaitCallback, key: Any) -> bool:
    """Something has changed at a watched file: it is ready until somebody has looked. Whether a waiter was
    woken, which an exclusive watch counts.
    """
    item: EpItem = callback.data
    ep = item.ep
    if not item.events & ~EP_PRIVATE_BITS:
        return False  # disarmed, after EPOLLONESHOT
    if isinstance(key, int) and not key & item.events:
        return False
    ep.rdllist.setdefault(item)
    woken = bool(ep.wait.entries or ep.wait.exclusive)
    wake_up(k, ep.wait)
    wake_up(k, ep.poll_wait, key=POLLIN | POLLRDNORM)
    if not item.events & EPOLLEXCLUSIVE:
        return True
    return woken


def ep_item_poll(k: Kernel, item: EpItem, pt: list[WaitQueue]) -> int:
    """What is ready of what is asked for."""
    return item.file.op.poll(k, item.file, pt) & item.events


def ep_insert(k: Kernel, ep: EventPoll, file: File, fd: int, events: int, data: int) -> None:
    """Watch a file. Raises Errno(ENOMEM)."""
    item = EpItem(k.memory.slabs.epi.alloc(k), ep, file, fd, events, data, ep_remove)
    pt: list[WaitQueue] = []
    revents = ep_item_poll(k, item, pt)
    for queue in pt:
        callback = WaitCallback(ep_poll_callback, item, bool(events & EPOLLEXCLUSIVE))
        queue.callbacks[callback] = None
        item.callbacks.append((queue, callback))
    ep.items.append(item)
    file.f_ep.append(item)
    if revents:
        _is_ready(k, item)


def ep_modify(k: Kernel, item: EpItem, events: int, data: int) -> None:
    """Watch for something else; what is ready of it is told at once."""
    item.events, item.data = events, data
    if ep_item_poll(k, item, []):
        _is_ready(k, item)


def _is_ready(k: Kernel, item: EpItem) -> None:
    ep = item.ep
    if item not in ep.rdllist:
        ep.rdllist[item] = None
        wake_up(k, ep.wait)
        wake_up(k, ep.poll_wait, key=POLLIN | POLLRDNORM)


def ep_remove(k: Kernel, item: EpItem) -> None:
    """Stop watching a file: on demand, or because it is closed."""
    for queue, callback in item.callbacks:
        del queue.callbacks[callback]
    item.file.f_ep.remove(item)
    item.ep.items.remove(item)
    item.ep.rdllist.pop(item, None)
    k.memory.slabs.epi.free(k, item.slab)


def ep_send_events(k: Kernel, ep: EventPoll, most: int) -> list[tuple[int, int]]:
    """(events, data) of the items that are ready, `most` at most; who stays on the list is its end."""
    found: list[tuple[int, int]] = []
    for item in list(ep.rdllist):
        if len(found) >= most:
            break
        del ep.rdllist[item]
        revents = ep_item_poll(k, item, [])
        if not revents:
            continue
        found.append((revents, item.data))
        if item.events & EPOLLONESHOT:
            item.events &= EP_PRIVATE_BITS
        elif not item.events & EPOLLET:
            ep.rdllist[item] = None
    return found


def ep_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """poll of the set itself: POLLIN while one of its files is ready."""
    ep: EventPoll = file.private
    pt.append(ep.poll_wait)
    for item in list(ep.rdllist):
        if ep_item_poll(k, item, []):
            return POLLIN | POLLRDNORM
        del ep.rdllist[item]
    return 0


def ep_release(k: Kernel, file: File) -> None:
    """The set is closed: nothing is watched by it any more."""
    ep: EventPoll = file.private
    for item in list(ep.items):
        ep_remove(k, item)
    k.memory.slabs.eventpoll.free(k, ep.slab)


def ep_show_fdinfo(k: Kernel, file: File) -> str:
    """A line for each file that is watched."""
    ep = file.private
    assert isinstance(ep, EventPoll)
    return "".join(
        f"tfd: {item.fd:8} events: {item.events:8x} data: {item.data:16x}  pos:{item.file.pos} "
        f"ino:{item.file.inode.ino:x} sdev:{item.file.inode.i_sb.s_dev:x}\n"
        for item in sorted(ep.items, key=lambda item: item.fd)
    )


EVENTPOLL = FileOperations(
    "toykernel.fs.eventpoll:EVENTPOLL",
    llseek=noop_llseek,
    poll=ep_poll,
    release=ep_release,
    show_fdinfo=ep_show_fdinfo,
)


def is_file_epoll(file: File) -> bool:
    """Whether an open file is such a set."""
    return isinstance(file.private, EventPoll)


def ep_loop_check(ep: EventPoll, target: File) -> None:
    """`ep` is about to watch the set `target`. Raises Errno(ELOOP) for a circle, or too deep a nest."""
    below = _depth_below(ep, target.private, 1)
    if below + _depth_above(ep) > EP_MAX_NESTS:
        raise Errno(ELOOP)


def _depth_below(ep: EventPoll, at: EventPoll, depth: int) -> int:
    if at is ep or depth > EP_MAX_NESTS + 1:
        raise Errno(ELOOP)
    nested = [item.file.private for item in at.items if is_file_epoll(item.file)]
    return max((_depth_below(ep, one, depth + 1) for one in nested), default=depth)


def _depth_above(ep: EventPoll) -> int:
    watchers = _watchers(ep)
    return max((1 + _depth_above(one) for one in watchers), default=0)


def _watchers(ep: EventPoll) -> list[EventPoll]:
    """The sets that watch a set: they have a callback on its queue."""
    return [callback.data.ep for callback in ep.poll_wait.callbacks]


def check_events(events: int, *, nested: bool) -> int:
    """What may be asked for with EPOLL_CTL_ADD and EPOLLEXCLUSIVE. Raises Errno(EINVAL)."""
    allowed = 0x5 | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE
    if events & EPOLLEXCLUSIVE and (nested or events & ~allowed):
        raise Errno(EINVAL)
    return events | POLLERR | POLLHUP
