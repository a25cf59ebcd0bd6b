"""What a task sees of the files: open files, the descriptors that name them, its place in the tree.

files_struct (fs/file.c) is shared with CLONE_FILES, fs_struct (fs/fs_struct.c) with CLONE_FS; an open
file (struct file with the offset, fs/file_table.c) is shared by every descriptor that dup or fork made.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from emu.record import dataclass
from toykernel.errno import EAGAIN, EBADF, EMFILE, Errno
from toykernel.fs.inode import igrab, iput
from toykernel.kernel.clone_flags import CLONE_FILES, CLONE_FS
from toykernel.kernel.signal_types import RLIMIT_NOFILE

if TYPE_CHECKING:
    from toykernel.fs.inode import Inode
    from toykernel.fs.mount import Path
    from toykernel.fs.operations import FileOperations
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.state import Kernel
    from toykernel.task import Task

O_ACCMODE, O_RDONLY, O_WRONLY, O_RDWR = 3, 0, 1, 2
O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC = 0o100, 0o200, 0o400, 0o1000
O_APPEND, O_NONBLOCK, O_LARGEFILE = 0o2000, 0o4000, 0o100000
O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC = 0o200000, 0o400000, 0o2000000
O_ASYNC, O_DIRECT = 0o20000, 0o40000
O_NOATIME, O_PATH, O_TMPFILE = 0o1000000, 0o10000000, 0o20000000


@dataclass(eq=False)
class File:
    """struct file: one open. The offset belongs to it, so everybody who shares it shares that."""

    slab: int
    inode: Inode
    op: FileOperations
    flags: int
    path: str
    pos: int = 0
    count: int = 1
    f_path: Path | None = None  # where it was opened; a pipe was nowhere
    f_owner: tuple[int, int] = (
        1,
        0,
    )  # F_SETOWN_EX: kind (F_OWNER_PID) and number, of the first namespace
    f_owner_ids: tuple[int, int] = (0, 0)  # uid and effective uid of who set the owner
    f_signum: int = 0  # F_SETSIG
    f_async: Any = None  # where it listens, with O_ASYNC (fs/fasync.py)
    writer: bool = True  # FMODE_WRITER: it counts among the file's writers, if it may write
    landlock_denied: int = 0  # what may not be done with it later (fs/landlock.py)
    created: bool = False  # FMODE_CREATED: this open has made the file
    private: Any = None  # private_data: what this open of it needs
    #: Who watches it with epoll; each is told when the file goes (eventpoll_release).
    f_ep: list[Any] = field(default_factory=list)

    @property
    def readable(self) -> bool:
        """FMODE_READ: by the access mode of its open."""
        return self.flags & O_ACCMODE in (O_RDONLY, O_RDWR) and not self.flags & O_PATH

    @property
    def writable(self) -> bool:
        """FMODE_WRITE: by the access mode of its open."""
        return self.flags & O_ACCMODE in (O_WRONLY, O_RDWR) and not self.flags & O_PATH


@dataclass(eq=False)
class FilesStruct:
    """struct files_struct: open files by descriptor, and the descriptors that exec closes."""

    slab: int
    count: int = 1
    fd: dict[int, File] = field(default_factory=dict)
    close_on_exec: set[int] = field(default_factory=set)


@dataclass(eq=False)
class FsStruct:
    """struct fs_struct: root, working directory, umask. `in_exec` as Linux: nobody may join then."""

    slab: int
    root: Path
    pwd: Path
    umask: int = 0o022
    users: int = 1
    in_exec: bool = False


def get_empty_filp(k: Kernel, inode: Inode, op: FileOperations, flags: int, path: str) -> File:
    """A record for one open, which holds the inode. Raises Errno(ENOMEM)."""
    slab = k.memory.slabs.filp.alloc(k)
    return File(slab, igrab(inode), op, flags, path)


def put_filp(k: Kernel, file: File) -> None:
    """The open failed: give the record back."""
    iput(k, file.inode)
    k.memory.slabs.filp.free(k, file.slab)


def get_file(file: File) -> File:
    """One more reference to an open file; the file."""
    file.count += 1
    return file


def fput(k: Kernel, file: File) -> None:
    """One reference less; the last one closes."""
    file.count -= 1
    if not file.count:
        for item in list(file.f_ep):
            item.gone(k, item)
        if file.inode.i_flctx is not None:
            file.inode.i_flctx.released(k, file)
        if file.f_async is not None:
            file.f_async.closed(k)
        if k.files.fsnotify is not None:
            k.files.fsnotify.closed(k, file)
        file.op.release(k, file)
        iput(k, file.inode)
        if file.slab:
            k.memory.slabs.filp.free(k, file.slab)


def current_files(k: Kernel) -> FilesStruct:
    """The descriptor table of the task that makes a system call."""
    files = k.current.files
    assert files is not None
    return files


def fget(k: Kernel, fd: int) -> File:
    """The open file behind a descriptor of the current task. Raises Errno(EBADF)."""
    file = current_files(k).fd.get(fd)
    if file is None:
        raise Errno(EBADF)
    return file


def fget_open(k: Kernel, fd: int) -> File:
    """The same, but not what only stands for a place (O_PATH). Raises Errno(EBADF)."""
    file = fget(k, fd)
    if file.flags & O_PATH:
        raise Errno(EBADF)
    return file


def get_unused_fd(k: Kernel, start: int = 0) -> int:
    """The lowest free descriptor from `start` on. Raises Errno(EMFILE) at RLIMIT_NOFILE."""
    files = current_files(k)
    fd = start
    while fd in files.fd:
        fd += 1
    if fd >= k.current.signal.rlim[RLIMIT_NOFILE][0]:
        raise Errno(EMFILE)
    return fd


def fd_install(k: Kernel, fd: int, file: File, *, cloexec: bool = False) -> int:
    """Give an open file a descriptor; answers with it."""
    files = current_files(k)
    files.fd[fd] = file
    if cloexec:
        files.close_on_exec.add(fd)
    else:
        files.close_on_exec.discard(fd)
    return fd


def filp_close(k: Kernel, files: FilesStruct, fd: int) -> None:
    """Take a descriptor away, and its reference; the last one closes the open file."""
    file = files.fd.pop(fd)
    files.close_on_exec.discard(fd)
    file.op.flush(k, file)
    if file.inode.i_flctx is not None:
        file.inode.i_flctx.closing(k, file, files)
    if k.files.fsnotify is not None:
        k.files.fsnotify.closing(k, file, files)
    fput(k, file)


def dup_fd(k: Kernel, old: FilesStruct) -> FilesStruct:
    """A table of its own, referring to the same open files. Raises Errno(ENOMEM), or Errno(EMFILE) for
    descriptors that fs.nr_open no longer allows.
    """
    if max(old.fd, default=0) > (k.files.nr_open - 1 | 31):
        raise Errno(EMFILE)
    slab = k.memory.slabs.files.alloc(k)
    new = FilesStruct(slab, fd=dict(sorted(old.fd.items())), close_on_exec=set(old.close_on_exec))
    for file in new.fd.values():
        get_file(file)
    return new


def put_files_struct(k: Kernel, files: FilesStruct) -> None:
    """One user of a table less; the last one closes every descriptor."""
    files.count -= 1
    if not files.count:
        for fd in sorted(files.fd):
            filp_close(k, files, fd)
        if files.slab:
            k.memory.slabs.files.free(k, files.slab)


def copy_files(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path G: the descriptor table; offsets are shared either way. Raises Errno(ENOMEM)."""
    old = current_files(k)
    if args.flags & CLONE_FILES:
        old.count += 1
        p.files = old
    else:
        p.files = dup_fd(k, old)


def exit_files(k: Kernel, p: Task) -> None:
    """The last user of a table closes what is open."""
    files, p.files = p.files, None
    if files is not None:
        put_files_struct(k, files)


def copy_fs(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path G: root, working directory, umask. Errno(ENOMEM); Errno(EAGAIN) while a thread execs."""
    old = k.current.fs
    assert old is not None
    if args.flags & CLONE_FS:
        if old.in_exec:
            raise Errno(EAGAIN)
        old.users += 1
        p.fs = old
    else:
        p.fs = FsStruct(k.memory.slabs.fs.alloc(k), old.root, old.pwd, old.umask)


def exit_fs(k: Kernel, p: Task) -> None:
    """One user less of a task's root and working directory."""
    fs, p.fs = p.fs, None
    if fs is not None:
        put_fs(k, fs)


def put_fs(k: Kernel, fs: FsStruct) -> None:
    """One user of a root and working directory less; the last one frees the record."""
    fs.users -= 1
    if not fs.users:
        k.memory.slabs.fs.free(k, fs.slab)
