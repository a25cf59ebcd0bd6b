"""What happens to files, told to who watches them (fs/notify/fsnotify.c): marks on inodes, and events for
them.

An event goes to the marks of the directory that has the file's name, with the name, and to those of the file
itself. Nothing is done before somebody watches anything.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from emu.record import dataclass
from toykernel.fs.file import O_PATH
from toykernel.fs.inode import S_IFIFO
from toykernel.kernel.wait import Wait

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry
    from toykernel.fs.file import File
    from toykernel.fs.inode import Inode
    from toykernel.fs.mount import Path
    from toykernel.fs.super import SuperBlock
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

#: FS_…, which are inotify's IN_… too.
ACCESS, MODIFY, ATTRIB, CLOSE_WRITE, CLOSE_NOWRITE, OPEN = 1, 2, 4, 8, 16, 32
MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF = 64, 128, 256, 512, 1024, 2048
UNMOUNT, Q_OVERFLOW, IGNORED = 0x2000, 0x4000, 0x8000
EXCL_UNLINK, RENAME, ISDIR, ONESHOT = 0x4000000, 0x10000000, 0x40000000, 0x80000000


@dataclass(eq=False)
class Mark:
    """struct fsnotify_mark: what a group wants to know of an inode; `wd` is the group's number for it."""

    slab: int
    group: Any
    inode: Inode
    mask: int
    wd: int


@dataclass(eq=False)
class FsnotifyTable:
    """Limits (sysctl fs.inotify.…), what each user has of them, and the cookie of the last renaming."""

    max_user_instances: int = 128
    max_user_watches: int = 8192
    max_queued_events: int = 16384
    dir_notify_enable: int = 1  # fs.dir-notify-enable
    instances: dict[int, int] = field(default_factory=dict)
    watches: dict[int, int] = field(default_factory=dict)
    marked: list[Inode] = field(default_factory=list)
    cookie: int = 0

    def closed(self, k: Kernel, file: File) -> None:
        """The last descriptor of an open file is gone."""
        fsnotify_file(k, file, CLOSE_WRITE if file.writable else CLOSE_NOWRITE)

    def closing(self, k: Kernel, file: File, files: object) -> None:
        """A table gives up a descriptor: dnotify ends with it."""
        for mark in list(file.inode.i_marks or ()):
            mark.group.closing(k, mark, file, files)

    def removed(self, k: Kernel, inode: Inode) -> None:
        """The last of a file is gone, and its marks with it (fsnotify_inoderemove)."""
        fsnotify(k, inode, DELETE_SELF)
        _lose(k, inode)


def fsnotify_table(k: Kernel) -> FsnotifyTable:
    """The record, which is made when it is first needed."""
    table = k.files.fsnotify
    if table is None:
        table = k.files.fsnotify = FsnotifyTable()
    return table


# -- marks -----------------------------------------------------------------------------------------


def add_mark(k: Kernel, mark: Mark) -> None:
    """An inode is watched, by one group more."""
    table = fsnotify_table(k)
    if not mark.inode.i_marks:
        mark.inode.i_marks = []
        table.marked.append(mark.inode)
    mark.inode.i_marks.append(mark)


def drop_mark(k: Kernel, mark: Mark) -> None:
    """A group does not watch an inode any more."""
    marks = mark.inode.i_marks
    assert marks is not None
    marks.remove(mark)
    if not marks:
        mark.inode.i_marks = None
        fsnotify_table(k).marked.remove(mark.inode)


# -- events ----------------------------------------------------------------------------------------


def fsnotify(k: Kernel, inode: Inode, mask: int, name: str = "", cookie: int = 0) -> None:
    """Tell the marks of an inode."""
    for mark in list(inode.i_marks or ()):
        if mark.mask & mask & ~(ISDIR | EXCL_UNLINK | ONESHOT):
            mark.group.handle(k, mark, mask, name, cookie)


def fsnotify_dentry(k: Kernel, inode: Inode, mask: int, dentry: Dentry | None = None) -> None:
    """Something has been done with a file by a name (the last one that was used): its directory hears of it,
    then the file's own watchers."""
    if k.files.fsnotify is None:
        return
    mask |= ISDIR if inode.is_dir else 0
    at = dentry or inode.i_dentry
    if at is not None and not at.is_root:
        for mark in list(at.parent.inode.i_marks or ()):
            gone = mark.mask & EXCL_UNLINK and not at.hashed
            if mark.mask & mask & ~ISDIR and not gone:
                mark.group.handle(k, mark, mask, at.name, 0)
    fsnotify(k, inode, mask)


def fsnotify_file(k: Kernel, file: File, mask: int) -> None:
    """The same for an open file."""
    if k.files.fsnotify is not None and file.f_path is not None and not file.flags & O_PATH:
        fsnotify_dentry(k, file.inode, mask, file.f_path.dentry)


def fsnotify_exec(k: Kernel, at: Path, *, opened: bool) -> None:
    """A program is opened and read by exec, or not open any more."""
    for mask in (OPEN, ACCESS) if opened else (CLOSE_NOWRITE,):
        fsnotify_dentry(k, at.dentry.inode, mask, at.dentry)


def fsnotify_transfer(k: Kernel, file: File, mask: int, result: Result) -> Result:
    """A transfer that has moved something, at once or when it goes on, is an event; its result."""
    if k.files.fsnotify is None or file.inode.type == S_IFIFO:
        return result
    if isinstance(result, Wait):
        state = (result.resume, result.args, file, mask)
        return replace(result, resume=_go_on, args=state)
    if result > 0:
        fsnotify_file(k, file, mask)
    return result


def _go_on(
    k: Kernel, resume: Any, args: tuple[Any, ...], file: File, mask: int, *late: bool
) -> Result:
    result: Result = resume(k, *args, *late)
    return fsnotify_transfer(k, file, mask, result)


def fsnotify_both(k: Kernel, source: File, target: File, result: Result) -> Result:
    """The same for one that goes from a file to another."""
    if k.files.fsnotify is not None and not isinstance(result, Wait) and result > 0:
        fsnotify_file(k, source, ACCESS)
        fsnotify_file(k, target, MODIFY)
    return result


def fsnotify_dirent(k: Kernel, parent: Inode, name: str, mask: int, inode: Inode) -> None:
    """A directory has got a name, or lost it."""
    if k.files.fsnotify is not None:
        fsnotify(k, parent, mask | (ISDIR if inode.is_dir else 0), name)


def fsnotify_link_count(k: Kernel, inode: Inode) -> None:
    """A file has a name more or less."""
    if k.files.fsnotify is not None:
        fsnotify(k, inode, ATTRIB)


def fsnotify_move(
    k: Kernel, moved: Inode, old: tuple[Inode, str], new: tuple[Inode, str], replaced: Inode | None
) -> None:
    """A file has another name; two events have one cookie."""
    table = k.files.fsnotify
    if table is None:
        return
    table.cookie += 1
    kind = ISDIR if moved.is_dir else 0
    fsnotify(k, old[0], MOVED_FROM | kind, old[1], table.cookie)
    fsnotify(k, new[0], MOVED_TO | kind, new[1], table.cookie)
    if old[0] is new[0]:
        fsnotify(k, old[0], RENAME | kind, old[1])
    if replaced is not None:
        fsnotify_link_count(k, replaced)
    fsnotify(k, moved, MOVE_SELF | kind)


def fsnotify_unmount(k: Kernel, sb: SuperBlock) -> None:
    """A file system is unmounted: who watched something in it is told, and watches it no more."""
    for inode in list(k.files.fsnotify.marked) if k.files.fsnotify is not None else ():
        if inode.i_sb is sb:
            for mark in list(inode.i_marks or ()):
                mark.group.handle(k, mark, UNMOUNT | (ISDIR if inode.is_dir else 0), "", 0)
            _lose(k, inode)


def _lose(k: Kernel, inode: Inode) -> None:
    for mark in list(inode.i_marks or ()):
        mark.group.forget(k, mark)
