"""dnotify (fs/notify/dnotify/dnotify.c): a signal when something happens in a directory, asked for by fcntl
(F_NOTIFY) of its open file. A signal more than once needs DN_MULTISHOT; closing a descriptor ends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emu.record import dataclass
from toykernel.errno import EINVAL, ENOTDIR, Errno
from toykernel.fs import fsnotify
from toykernel.fs.fasync import F_OWNER_PID, POLL_MSG, send_sigio
from toykernel.fs.file import current_files
from toykernel.fs.fsnotify import Mark, add_mark, drop_mark, fsnotify_table

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel

F_NOTIFY = 1026
DN_ACCESS, DN_MODIFY, DN_CREATE, DN_DELETE, DN_RENAME, DN_ATTRIB = 1, 2, 4, 8, 0x10, 0x20
DN_MULTISHOT = 0x80000000
_EVENTS = {
    DN_ACCESS: fsnotify.ACCESS,
    DN_MODIFY: fsnotify.MODIFY,
    DN_CREATE: fsnotify.CREATE | fsnotify.MOVED_TO,
    DN_DELETE: fsnotify.DELETE | fsnotify.MOVED_FROM,
    DN_RENAME: fsnotify.RENAME,
    DN_ATTRIB: fsnotify.ATTRIB,
}


@dataclass(eq=False)
class DnotifyGroup:
    """struct dnotify_struct: the open file, and the descriptor and the table that it was asked for by."""

    file: File
    fd: int
    files: Any
    multishot: bool = False

    def handle(self, k: Kernel, mark: Mark, _mask: int, _name: str, _cookie: int) -> None:
        """Tell the owner of the open file; once, unless it shall be told each time."""
        send_sigio(k, self.file, self.fd, POLL_MSG)
        if not self.multishot:
            self.forget(k, mark)

    def forget(self, k: Kernel, mark: Mark) -> None:
        """Nobody is told any more."""
        drop_mark(k, mark)
        k.memory.slabs.dnotify.free(k, mark.slab)

    def closing(self, k: Kernel, mark: Mark, file: File, files: object) -> None:
        """A table gives up a descriptor of an open file (dnotify_flush)."""
        if self.file is file and self.files is files:
            self.forget(k, mark)


def fcntl_dirnotify(k: Kernel, file: File, fd: int, arg: int) -> int:
    """F_NOTIFY: what the file's owner, the caller if there is none yet, shall be told of a directory; more
    than before. No event ends it. Raises Errno: EINVAL by fs.dir-notify-enable, ENOTDIR, ENOMEM.
    """
    if not fsnotify_table(k).dir_notify_enable:
        raise Errno(EINVAL)
    files = current_files(k)
    marks = [
        mark
        for mark in file.inode.i_marks or ()
        if isinstance(mark.group, DnotifyGroup) and mark.group.file is file
    ]
    old = next((mark for mark in marks if mark.group.files is files), None)
    if not arg & ~DN_MULTISHOT:
        if old is not None:
            old.group.forget(k, old)
        return 0
    if not file.inode.is_dir:
        raise Errno(ENOTDIR)
    mask = sum(events for flag, events in _EVENTS.items() if arg & flag)
    if old is None:
        slab = k.memory.slabs.dnotify.alloc(k)
        old = Mark(slab, DnotifyGroup(file, fd, files), file.inode, 0, 0)
        add_mark(k, old)
    if not file.f_owner[1]:
        file.f_owner_ids = (k.current.cred.uid, k.current.cred.euid)
        file.f_owner = (F_OWNER_PID, k.current.group_leader.pid)
    old.mask |= mask
    old.group.fd = fd
    old.group.multishot |= bool(arg & DN_MULTISHOT)
    return 0
