"""vFile: the guest's files, read by the client (gdb manual, appendix E.7)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.errno import (
    EACCES,
    EBADF,
    EINVAL,
    EISDIR,
    ELOOP,
    EMFILE,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    EPERM,
    EROFS,
)
from toykernel.fs.mount import Path, d_path, follow_dotdot
from toykernel.fs.proc.tables import TASK
from toykernel.gdb.errors import RemoteError
from toykernel.look.paths import path_of

if TYPE_CHECKING:
    from toykernel.fs.inode import Inode
    from toykernel.state import Kernel
    from toykernel.task import Task

#: The kernel's symbols and lines; the guest has no such file.
VMLINUX = "/boot/vmlinux"
_MOST_OPEN, _MOST_LINKS = 64, 40
#: Files of /proc/PID that need no task to read them.
_LOOKING = frozenset(("maps", "smaps", "status", "statm", "cmdline", "comm", "limits"))
_WRITING = 0x1 | 0x2 | 0x8 | 0x200 | 0x400  # FILEIO_O_WRONLY RDWR APPEND CREAT TRUNC
#: Error numbers that the protocol's host I/O has; others are 9999 (E.13.8.3, Errno Values).
_KNOWN = frozenset(
    (EPERM, ENOENT, EBADF, EACCES, ENOTDIR, EISDIR, EINVAL, EMFILE, EROFS, ENAMETOOLONG)
) - {ENAMETOOLONG} | {91}
_NAMETOOLONG = 91


def fileio_errno(number: int) -> int:
    """Linux's number in the protocol."""
    if number == ENAMETOOLONG:
        return _NAMETOOLONG
    return number if number in _KNOWN else 9999


def lookup(k: Kernel, name: str) -> Inode:
    """A file by its absolute path, without touching the guest. Raises RemoteError."""
    return walk(k, name).dentry.inode


def walk(k: Kernel, name: str) -> Path:
    """Where an absolute path leads. Raises RemoteError."""
    root = _root(k)
    here, parts, links = root, name.split("/")[::-1], 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        inode = here.dentry.inode
        if not inode.is_dir:
            raise RemoteError(ENOTDIR)
        if part == "..":
            here = follow_dotdot(here, root)
            continue
        dentry = here.dentry.children.get(part)
        if dentry is None:
            raise RemoteError(ENOENT)
        found = here.child(dentry)
        target = found.dentry.inode
        if target.is_link and isinstance(target.private, bytes):
            links += 1
            if links > _MOST_LINKS:
                raise RemoteError(ELOOP)
            text = target.private.decode(errors="surrogateescape")
            if text.startswith("/"):
                here = root
            parts += text.split("/")[::-1]
        else:
            here = found
    return here


def _root(k: Kernel) -> Path:
    for task in k.processes.tasks:
        if task.fs is not None:
            return task.fs.root
    raise RemoteError(ENOENT)


def contents(k: Kernel, inode: Inode) -> bytes:
    """A regular file's bytes, those of mapped pages as they are now. Raises RemoteError."""
    if inode.is_dir:
        raise RemoteError(EISDIR)
    mapping = inode.i_mapping
    if mapping is None or mapping.contents is None:
        raise RemoteError(EACCES)
    data = bytearray(bytes(mapping.contents))
    for index, pfn in mapping.pages.items():
        start = index << 12
        length = min(4096, len(data) - start)
        if length > 0:
            data[start : start + length] = k.machine.ram.read(pfn << 12, length)
    return bytes(data)


def process_text(k: Kernel, name: str) -> bytes | None:
    """/proc/PID/WORD, or a thread's, for what only looks at a task; None for another path.

    Raises RemoteError(ENOENT).
    """
    match name.split("/"):
        case ["", "proc", pid, word] | ["", "proc", _, "task", pid, word] if word in _LOOKING:
            text = TASK[word].text(k, _numbered(k, pid))
            return text.encode(errors="surrogateescape") if isinstance(text, str) else bytes(text)
    return None


def link_text(k: Kernel, name: str) -> bytes:
    """Where a link leads: /proc/PID/exe and cwd. Raises RemoteError."""
    match name.split("/"):
        case ["", "proc", pid, "exe"]:
            mm = _numbered(k, pid).mm
            inode = k.memory.exe_files.get(mm.ident) if mm is not None else None
            path = path_of(k, inode) if inode is not None else ""
        case ["", "proc", pid, "cwd"]:
            fs = _numbered(k, pid).fs
            path = (d_path(fs.root, fs.pwd) or "") if fs is not None else ""
        case _:
            raise RemoteError(EINVAL)
    if not path:
        raise RemoteError(ENOENT)
    return path.encode(errors="surrogateescape")


def _numbered(k: Kernel, number: str) -> Task:
    """A task by the number that gdb knows. Raises RemoteError(ENOENT)."""
    for task in k.processes.tasks:
        if str(task.pid) == number and not task.exit_state and task.pid:
            return task
    raise RemoteError(ENOENT)


def stat_bytes(inode: Inode) -> bytes:
    """struct stat of the protocol: 64 bytes, big-endian.

    Without times: gdb would compare the guest's clock with that of the host's source files.
    """
    head = struct.pack(
        ">7I",
        inode.i_sb.s_dev & 0xFFFFFFFF,
        inode.ino & 0xFFFFFFFF,
        inode.mode,
        inode.nlink,
        inode.uid,
        inode.gid,
        inode.rdev,
    )
    blocks = (inode.size + 511) // 512
    return head + struct.pack(">3Q3I", inode.size, 4096, blocks, 0, 0, 0)


class Files:
    """What the client has open."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Inode | None, bytes]] = {}
        #: Files that the guest does not have, or not with their debug sections: path and bytes.
        self.extra: dict[str, bytes] = {}

    def answer(self, k: Kernel, request: bytes) -> tuple[int, bytes]:
        """Result and attachment of `OPERATION:arguments`; escaping is the caller's. Raises RemoteError."""
        name, _, rest = request.partition(b":")
        try:
            match name:
                case b"setfs":
                    return 0, b""
                case b"open":
                    path, flags, _ = rest.split(b",")
                    return self._do_open(k, _path(path), int(flags, 16)), b""
                case b"pread":
                    fd, count, offset = (int(word, 16) for word in rest.split(b","))
                    data = self._file(fd)[1][offset : offset + min(count, 0x2000)]
                    return len(data), data
                case b"close":
                    self._file(int(rest, 16))
                    del self._open[int(rest, 16)]
                    return 0, b""
                case b"fstat":
                    inode, data = self._file(int(rest, 16))
                    if inode is None:
                        made = struct.pack(
                            ">7I3Q3I", *(0, 0, 0o100444, 1, 0, 0, 0), len(data), 4096, 0, 0, 0, 0
                        )
                    else:
                        made = stat_bytes(inode)
                    return len(made), made
                case b"stat":
                    made = stat_bytes(lookup(k, _path(rest)))
                    return len(made), made
                case b"readlink":
                    text = link_text(k, _path(rest))
                    return len(text), text
                case b"pwrite" | b"unlink":
                    raise RemoteError(EROFS)
        except (ValueError, OverflowError):
            raise RemoteError(EINVAL) from None
        raise LookupError

    def _do_open(self, k: Kernel, path: str, flags: int) -> int:
        if flags & _WRITING:
            raise RemoteError(EROFS)
        if len(self._open) >= _MOST_OPEN:
            raise RemoteError(EMFILE)
        if path.startswith("/proc/") and path.endswith("/exe"):
            path = link_text(k, path).decode(errors="surrogateescape")
        made = self.extra.get(path)
        if path == VMLINUX:
            from toykernel.harness.images import kernel_symbols

            made = kernel_symbols(k.host.images.layout)
        if made is None:
            made = process_text(k, path)
        opened: tuple[Inode | None, bytes]
        if made is not None:
            opened = None, made
        else:
            inode = lookup(k, path)
            opened = inode, contents(k, inode)
        fd = next(n for n in range(3, 4 + _MOST_OPEN) if n not in self._open)
        self._open[fd] = opened
        return fd

    def _file(self, fd: int) -> tuple[Inode | None, bytes]:
        if fd not in self._open:
            raise RemoteError(EBADF)
        return self._open[fd]


def _path(text: bytes) -> str:
    return bytes.fromhex(text.decode("ascii", "replace")).decode(errors="surrogateescape")
