"""The in-memory file system (fs/ramfs): a file is its page cache, a directory the dentries below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import copy_some_to_user, read_some
from toykernel.errno import EFAULT, EFBIG, EPERM, Errno
from toykernel.fs.attr import current_time, file_accessed, file_remove_privs, touch_mtime
from toykernel.fs.chrdev import init_special_inode
from toykernel.fs.file import O_APPEND, O_LARGEFILE, File
from toykernel.fs.inode import (
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_WRITE,
    S_IFDIR,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_ISGID,
    Inode,
    put_write_access,
)
from toykernel.fs.libfs import (
    MAX_LFS_FILESIZE,
    NO_FILE,
    SIMPLE_DIR,
    SIMPLE_SYMLINK,
    SPECIAL,
    generic_file_llseek,
    simple_exchange,
    simple_link,
    simple_lookup,
    simple_rename,
    simple_rmdir,
    simple_unlink,
)
from toykernel.fs.operations import (
    FileOperations,
    InodeOperations,
    SuperOperations,
    clear_inode,
    noop_fsync,
)
from toykernel.fs.super import InodeNumbers, SuperBlock
from toykernel.kernel.siginfo import SIGXFSZ
from toykernel.kernel.signal import send_sig
from toykernel.kernel.signal_types import RLIM_INFINITY, RLIMIT_FSIZE
from toykernel.kernel.timekeeping import BOOT_EPOCH
from toykernel.mm.file_bytes import FileBytes
from toykernel.mm.filemap import AddressSpace, generic_file_mmap
from toykernel.mm.truncate import truncate_setsize

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: All files together, in bytes, and how many there may be: the host's memory is not the guest's to fill.
MAX_BYTES, MAX_INODES = 64 << 20, 1 << 16
#: What open without O_LARGEFILE may write.
MAX_NON_LFS = 0x7FFFFFFF
_CHUNK = 1 << 16


# -- inodes ----------------------------------------------------------------------------------------


def new_inode(
    sb: SuperBlock,
    mode: int,
    uid: int = 0,
    gid: int = 0,
    rdev: int = 0,
    *,
    now: int = BOOT_EPOCH,
) -> Inode:
    """An inode that has no name yet. Raises Errno(ENOSPC)."""
    inode = Inode(sb.next_ino(), mode, sb, SPECIAL, NO_FILE, uid, gid)
    inode.atime = inode.mtime = inode.ctime = now
    match inode.type:
        case t if t == S_IFREG:
            inode.i_op, inode.i_fop = FILE_INODE, REGULAR
            inode.i_mapping = AddressSpace("", FileBytes(), host=inode)
        case t if t == S_IFDIR:
            inode.i_op, inode.i_fop = DIR_INODE, SIMPLE_DIR
            inode.nlink = 2
        case t if t == S_IFLNK:
            inode.i_op = SIMPLE_SYMLINK
        case _:
            init_special_inode(inode, rdev)
    return inode


def _make(k: Kernel, parent: Inode, mode: int, rdev: int = 0) -> Inode:
    """inode_init_owner: the caller's; in a set-group-id directory, the directory's group."""
    cred = k.current.cred
    gid = cred.fsgid
    if parent.mode & S_ISGID:
        gid = parent.gid
        if mode & S_IFMT == S_IFDIR:
            mode |= S_ISGID
    now = current_time(k)
    inode = new_inode(parent.i_sb, mode, cred.fsuid, gid, rdev, now=now)
    parent.mtime = parent.ctime = now
    return inode


def ramfs_create(k: Kernel, parent: Inode, name: str, mode: int) -> Inode:
    """A regular file. Raises Errno(ENOSPC)."""
    return _make(k, parent, S_IFREG | mode)


def ramfs_tmpfile(k: Kernel, parent: Inode, mode: int) -> Inode:
    """A regular file that has no name yet. Raises Errno(ENOSPC)."""
    mtime, ctime = parent.mtime, parent.ctime
    inode = _make(k, parent, S_IFREG | mode)
    parent.mtime, parent.ctime = mtime, ctime
    return inode


def ramfs_mkdir(k: Kernel, parent: Inode, name: str, mode: int) -> Inode:
    """A directory: its `..` is one more link of the parent. Raises Errno(ENOSPC)."""
    inode = _make(k, parent, S_IFDIR | mode)
    parent.nlink += 1
    return inode


def ramfs_mknod(k: Kernel, parent: Inode, name: str, mode: int, rdev: int) -> Inode:
    """A node of the type in `mode`. Raises Errno(ENOSPC)."""
    return _make(k, parent, mode, rdev)


def ramfs_symlink(k: Kernel, parent: Inode, name: str, target: str) -> Inode:
    """A symbolic link; its target takes room. Raises Errno(ENOSPC)."""
    text = target.encode(errors="surrogateescape")
    inode = _make(k, parent, S_IFLNK | 0o777)
    try:
        parent.i_sb.take_bytes(len(text))
    except Errno:
        clear_inode(k, inode)
        raise
    inode.private = text
    return inode


def ramfs_evict_inode(k: Kernel, inode: Inode) -> None:
    """The last reference is gone: so are the bytes."""
    inode.i_sb.s_bytes -= inode.blocks * 512 if inode.i_mapping is not None else inode.size
    inode.i_sb.s_xattr_bytes -= inode.xattr_bytes
    clear_inode(k, inode)


def ramfs_truncate(k: Kernel, inode: Inode, size: int) -> None:
    """Another size: what is cut off is forgotten, what is added is a hole, which takes no room."""
    assert inode.i_mapping is not None
    before = inode.blocks
    truncate_setsize(k, inode.i_mapping, size)
    inode.i_sb.s_bytes -= (before - inode.blocks) * 512
    touch_mtime(k, inode)


# -- open files ------------------------------------------------------------------------------------


def _mapping(file: File) -> tuple[AddressSpace, FileBytes]:
    mapping = file.inode.i_mapping
    assert mapping is not None
    assert mapping.contents is not None
    return mapping, mapping.contents


def ramfs_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """Bytes from the offset to the end of the file at most, as far as the buffer goes;
    EFAULT if it takes none.
    """
    mapping, contents = _mapping(file)
    mapping.write_back(k, file.pos, count)  # what was stored through a mapping
    file_accessed(k, file)
    done = 0
    while done < count:
        data = contents.read(file.pos, min(count - done, _CHUNK))
        if not data:
            break
        copied = copy_some_to_user(k, buf + done, data)
        file.pos += copied
        done += copied
        if copied < len(data):
            if not done:
                raise Errno(EFAULT)
            break
    return done


def ramfs_write(k: Kernel, file: File, buf: int, count: int) -> int:
    """At the offset; a hole in front of it is zeros.

    Raises Errno(EFBIG), after SIGXFSZ when it is RLIMIT_FSIZE that is reached, and Errno(ENOSPC).
    """
    if not count:
        return 0
    mapping, contents = _mapping(file)
    if file.flags & O_APPEND:
        file.pos = contents.size
    limit = k.current.signal.rlim[RLIMIT_FSIZE][0]
    if file.pos >= limit != RLIM_INFINITY:  # generic_write_checks, mm/filemap.c
        send_sig(k, SIGXFSZ, k.current)
        raise Errno(EFBIG)
    if limit == RLIM_INFINITY:
        limit = MAX_LFS_FILESIZE
    limit = min(limit, MAX_LFS_FILESIZE if file.flags & O_LARGEFILE else MAX_NON_LFS)
    if file.pos >= limit:
        raise Errno(EFBIG)
    count = min(count, limit - file.pos)
    mapping.write_back(k)
    if file.inode.seals:
        count = _sealed(file, count)
    sb = file.inode.i_sb
    file_remove_privs(k, file.inode)
    touch_mtime(k, file.inode)
    done = 0
    while done < count:
        part = min(count - done, PAGE_SIZE - file.pos % PAGE_SIZE)
        chunk = read_some(k, buf + done, part)
        if chunk:
            try:
                sb.take_bytes(contents.missing(file.pos, len(chunk)) * PAGE_SIZE)
            except Errno:
                if done:
                    break
                raise
            contents.write(file.pos, chunk)
            mapping.wrote(k, file.pos, len(chunk))
            file.pos += len(chunk)
            done += len(chunk)
        if len(chunk) < part:
            if not done:
                raise Errno(EFAULT)
            break
    return done


def _sealed(file: File, count: int) -> int:
    """How much of a write the seals let through (shmem_write_begin). Raises Errno(EPERM) for none of it."""
    inode = file.inode
    if inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
        raise Errno(EPERM)
    if inode.seals & F_SEAL_GROW and file.pos + count > inode.size:
        room = inode.size - file.pos & -PAGE_SIZE if file.pos < inode.size else 0
        if room <= 0:
            raise Errno(EPERM)
        return room
    return count


def ramfs_release(k: Kernel, file: File) -> None:
    """The right to write is given back."""
    if file.writable and file.writer:
        put_write_access(file.inode)


REGULAR = FileOperations(
    "toykernel.fs.ramfs:REGULAR",
    read=ramfs_read,
    write=ramfs_write,
    llseek=generic_file_llseek,
    mmap=generic_file_mmap,
    release=ramfs_release,
    fsync=noop_fsync,
)
FILE_INODE = InodeOperations("toykernel.fs.ramfs:FILE_INODE", truncate=ramfs_truncate)
DIR_INODE = InodeOperations(
    "toykernel.fs.ramfs:DIR_INODE",
    lookup=simple_lookup,
    create=ramfs_create,
    tmpfile=ramfs_tmpfile,
    link=simple_link,
    unlink=simple_unlink,
    symlink=ramfs_symlink,
    mkdir=ramfs_mkdir,
    rmdir=simple_rmdir,
    mknod=ramfs_mknod,
    rename=simple_rename,
    exchange=simple_exchange,
)
RAMFS = SuperOperations("toykernel.fs.ramfs:RAMFS", evict_inode=ramfs_evict_inode)


def ramfs_fill_super(
    s_dev: int, numbers: InodeNumbers, s_type: str = "ramfs", mode: int = 0o755
) -> tuple[SuperBlock, Inode]:
    """An empty file system, and the inode of its root; a tmpfs is one of these, too."""
    sb = SuperBlock(s_dev, s_type, RAMFS, numbers, max_bytes=MAX_BYTES, max_inodes=MAX_INODES)
    return sb, new_inode(sb, S_IFDIR | mode)
