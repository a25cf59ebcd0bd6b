"""inotify (fs/notify/inotify): a queue of what happens to files, read from a descriptor."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_to_user, put_user
from toykernel.errno import (
    EAGAIN,
    EEXIST,
    EINVAL,
    EMFILE,
    ENOSPC,
    ENOTDIR,
    ENOTTY,
    ERESTARTSYS,
    Errno,
)
from toykernel.fs import fsnotify
from toykernel.fs.anon_inodes import anon_inode_getfile, noop_llseek
from toykernel.fs.file import (
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDONLY,
    File,
    fd_install,
    fget_open,
    get_unused_fd,
)
from toykernel.fs.fsnotify import Mark, add_mark, drop_mark, fsnotify_table
from toykernel.fs.inode import MAY_READ, inode_permission
from toykernel.fs.namei import getname, path_lookup
from toykernel.fs.operations import POLLIN, POLLRDNORM, FileOperations
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.inode import Inode
    from toykernel.kernel.cred import UserStruct
    from toykernel.state import Kernel

IN_ALL_EVENTS = 0xFFF
IN_ONLYDIR, IN_DONT_FOLLOW, IN_MASK_CREATE, IN_MASK_ADD = 1 << 24, 1 << 25, 1 << 28, 1 << 29
_KEPT = IN_ALL_EVENTS | fsnotify.EXCL_UNLINK | fsnotify.ONESHOT
_KNOWN = _KEPT | IN_ONLYDIR | IN_DONT_FOLLOW | IN_MASK_CREATE | IN_MASK_ADD
_KNOWN |= fsnotify.ISDIR | fsnotify.UNMOUNT | fsnotify.Q_OVERFLOW | fsnotify.IGNORED
_EVENT = struct.Struct("<iIII")
FIONREAD = 0x541B


@dataclass(frozen=True)
class Event:
    """struct inotify_event."""

    wd: int
    mask: int
    cookie: int
    name: bytes

    @property
    def packed(self) -> bytes:
        """As read delivers it: the name with NULs, to a multiple of the head's size."""
        size = -(-(len(self.name) + 1) // _EVENT.size) * _EVENT.size if self.name else 0
        return _EVENT.pack(self.wd, self.mask, self.cookie, size) + self.name.ljust(size, b"\0")


@dataclass(eq=False)
class InotifyGroup:
    """struct fsnotify_group: watches by number, and events that were not read yet."""

    slab: int
    wait: WaitQueue
    user: UserStruct
    marks: dict[int, Mark] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    last_wd: int = 0

    def handle(self, k: Kernel, mark: Mark, mask: int, name: str, cookie: int) -> None:
        """Queue an event; one like the last that waits is the same one. A watch for one event ends with
        it.
        """
        if mask & (fsnotify.DELETE_SELF | fsnotify.MOVE_SELF):
            mask &= ~fsnotify.ISDIR
        self.queue(k, Event(mark.wd, mask, cookie, name.encode(errors="surrogateescape")))
        if mark.mask & fsnotify.ONESHOT:
            self.forget(k, mark)

    def queue(self, k: Kernel, event: Event) -> None:
        """An event more; beyond the limit one that says so, once."""
        last = self.events[-1] if self.events else None
        like = (event.wd, event.mask, event.name)
        if last is not None and (last.wd, last.mask, last.name) == like:
            return
        if len(self.events) >= fsnotify_table(k).max_queued_events:
            event = Event(-1, fsnotify.Q_OVERFLOW, 0, b"")
            if last == event:
                return
        self.events.append(event)
        wake_up(k, self.wait, key=POLLIN)

    def forget(self, k: Kernel, mark: Mark) -> None:
        """A watch ends, which is an event, too."""
        self.remove(k, mark)
        self.queue(k, Event(mark.wd, fsnotify.IGNORED, 0, b""))

    def closing(self, k: Kernel, mark: Mark, file: File, files: object) -> None:
        """That somebody closes the file ends no watch."""

    def remove(self, k: Kernel, mark: Mark) -> None:
        """A watch ends."""
        drop_mark(k, mark)
        del self.marks[mark.wd]
        _count(fsnotify_table(k).watches, self.user.uid, -1)
        k.memory.slabs.inotify_mark.free(k, mark.slab)


def _count(counts: dict[int, int], uid: int, change: int) -> None:
    counts[uid] = counts.get(uid, 0) + change
    if not counts[uid]:
        del counts[uid]


def _group(file: File) -> InotifyGroup:
    if not isinstance(file.private, InotifyGroup):
        raise Errno(EINVAL)
    return file.private


# -- the open file ---------------------------------------------------------------------------------


def inotify_read(k: Kernel, file: File, buf: int, count: int) -> Result:
    """The events that fit, which are gone then; waits while there is none. EINVAL when the first one does not
    fit, EAGAIN with O_NONBLOCK.
    """
    group = _group(file)
    if not group.events:
        if file.flags & O_NONBLOCK:
            raise Errno(EAGAIN)
        if signal_pending(k.current):
            raise Errno(ERESTARTSYS)
        args = (file, buf, count)
        return Wait((group.wait,), inotify_read, args, "read of inotify", holds=(file,))
    data = bytearray()
    taken = 0
    for event in group.events:
        if len(data) + len(event.packed) > count:
            break
        data += event.packed
        taken += 1
    if not taken:
        raise Errno(EINVAL)
    copy_to_user(k, buf, bytes(data))
    del group.events[:taken]
    return len(data)


def inotify_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLLIN when there is an event."""
    group = _group(file)
    pt.append(group.wait)
    return POLLIN | POLLRDNORM if group.events else 0


def inotify_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """FIONREAD: how many bytes of events wait. Raises Errno(ENOTTY) for another request."""
    if request != FIONREAD:
        raise Errno(ENOTTY)
    put_user(k, sum(len(event.packed) for event in _group(file).events), argp)
    return 0


def inotify_release(k: Kernel, file: File) -> None:
    """The last open is gone, and every watch with it."""
    group = _group(file)
    for mark in list(group.marks.values()):
        group.remove(k, mark)
    _count(fsnotify_table(k).instances, group.user.uid, -1)
    k.memory.slabs.inotify.free(k, group.slab)


def inotify_fdinfo(k: Kernel, file: File) -> str:
    """The lines of /proc/PID/fdinfo: a watch each."""
    return "".join(
        f"inotify wd:{mark.wd:x} ino:{mark.inode.ino:x} sdev:{mark.inode.i_sb.s_dev:x} "
        f"mask:{mark.mask:x} ignored_mask:0\n"
        for mark in _group(file).marks.values()
    )


INOTIFY = FileOperations(
    "toykernel.fs.inotify:INOTIFY",
    read=inotify_read,
    llseek=noop_llseek,
    poll=inotify_poll,
    ioctl=inotify_ioctl,
    release=inotify_release,
    show_fdinfo=inotify_fdinfo,
    fasync=True,
)


# -- the calls -------------------------------------------------------------------------------------


@syscall(332, "flags:hex")
def sys_inotify_init1(k: Kernel, flags: int) -> int:
    """inotify_init1: a descriptor of a queue, with IN_CLOEXEC and IN_NONBLOCK. EINVAL, EMFILE, ENOMEM."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise Errno(EINVAL)
    table, user = fsnotify_table(k), k.current.cred.user
    if table.instances.get(user.uid, 0) >= table.max_user_instances:
        raise Errno(EMFILE)
    with ExitStack() as undo:
        slab = k.memory.slabs.inotify.alloc(k)
        undo.callback(k.memory.slabs.inotify.free, k, slab)
        fd = get_unused_fd(k)
        group = InotifyGroup(slab, WaitQueue("inotify"), user)
        file = anon_inode_getfile(k, "inotify", INOTIFY, group, O_RDONLY | flags & O_NONBLOCK)
        undo.pop_all()
    _count(table.instances, user.uid, 1)
    return fd_install(k, fd, file, cloexec=bool(flags & O_CLOEXEC))


@syscall(291, "")
def sys_inotify_init(k: Kernel) -> int:
    """inotify_init: inotify_init1 without flags."""
    return sys_inotify_init1(k, 0)


@syscall(292, "fd:fd pathname:path mask:hex")
def sys_inotify_add_watch(k: Kernel, fd: int, pathname: int, mask: int) -> int:
    """inotify_add_watch: what is to be told of a file; its number, the same for what is watched already.

    EINVAL for no event or another file, EBADF, EACCES for what may not be read, EEXIST with IN_MASK_CREATE,
    ENOTDIR with IN_ONLYDIR, ENOSPC at the user's limit, ENOENT, ENOMEM.
    """
    if mask & ~_KNOWN or not mask:
        raise Errno(EINVAL)
    file = fget_open(k, fd)
    if mask & IN_MASK_ADD and mask & IN_MASK_CREATE:
        raise Errno(EINVAL)
    group = _group(file)
    follow = not mask & IN_DONT_FOLLOW
    inode = path_lookup(k, getname(k, pathname), follow=follow).found().dentry.inode
    if mask & IN_ONLYDIR and not inode.is_dir:
        raise Errno(ENOTDIR)
    inode_permission(k, inode, MAY_READ)
    old = next((mark for mark in group.marks.values() if mark.inode is inode), None)
    if old is None:
        return _new_watch(k, group, inode, mask & _KEPT)
    if mask & IN_MASK_CREATE:
        raise Errno(EEXIST)
    old.mask = mask & _KEPT | (old.mask if mask & IN_MASK_ADD else 0)
    return old.wd


def _new_watch(k: Kernel, group: InotifyGroup, inode: Inode, mask: int) -> int:
    table, uid = fsnotify_table(k), group.user.uid
    if table.watches.get(uid, 0) >= table.max_user_watches:
        raise Errno(ENOSPC)
    slab = k.memory.slabs.inotify_mark.alloc(k)
    group.last_wd += 1
    mark = Mark(slab, group, inode, mask, group.last_wd)
    group.marks[mark.wd] = mark
    add_mark(k, mark)
    _count(table.watches, uid, 1)
    return mark.wd


@syscall(293, "fd:fd wd:int")
def sys_inotify_rm_watch(k: Kernel, fd: int, wd: int) -> int:
    """inotify_rm_watch: the watch ends. EBADF, EINVAL for another file or no such watch."""
    group = _group(fget_open(k, fd))
    mark = group.marks.get(wd)
    if mark is None:
        raise Errno(EINVAL)
    group.forget(k, mark)
    return 0
