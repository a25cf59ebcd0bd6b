"""Paths (fs/namei.c): the walk from a name to a dentry, through symbolic links and mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import strncpy_from_user
from toykernel.errno import (
    EBUSY,
    EEXIST,
    EINVAL,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    EPERM,
    EXDEV,
    Errno,
)
from toykernel.fs.dcache import Dentry, d_add, d_drop, is_ancestor
from toykernel.fs.file import FsStruct, fget
from toykernel.fs.inode import (
    FS_APPEND_FL,
    FS_IMMUTABLE_FL,
    MAY_EXEC,
    MAY_WRITE,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
    S_ISVTX,
    Inode,
    inode_permission,
)
from toykernel.fs.landlock import landlock_make, landlock_refer, landlock_remove
from toykernel.fs.mount import (
    MNT_NOSYMFOLLOW,
    Mount,
    Path,
    follow_dotdot,
    mnt_want_write,
    mnt_want_write_file,
    traverse_mounts,
)
from toykernel.fs.naming import exchange as exchange_names
from toykernel.fs.naming import name_link, name_new, rename, unname, unname_dir
from toykernel.kernel.cred import CAP_FOWNER, CAP_MKNOD, capable

if TYPE_CHECKING:
    from toykernel.state import Kernel

PATH_MAX = 4096
NAME_MAX = 255
MAXSYMLINKS = 40
AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH = 0x100, 0x1000
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
WHITEOUT_DEV = 0
#: Types of file systems that have whiteouts.
_WHITEOUTS = ("tmpfs", "devtmpfs")
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 1, 2, 4
RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_CACHED = 8, 16, 32
_SCOPED = RESOLVE_BENEATH | RESOLVE_IN_ROOT
_DOTS = ("", ".", "..")


@dataclass(frozen=True)
class Nameidata:
    """Where a path leads: the directory, the last name in it, and what has that name, if anything."""

    parent: Path
    name: str
    path: Path | None
    trailing_slash: bool = False

    def found(self) -> Path:
        """What the path names. Raises Errno(ENOENT), Errno(ENOTDIR) for `file/`."""
        if self.path is None:
            raise Errno(ENOENT)
        if self.trailing_slash and not self.path.dentry.inode.is_dir:
            raise Errno(ENOTDIR)
        return self.path


def current_fs(k: Kernel) -> FsStruct:
    """Root, working directory and umask of the task that makes a system call."""
    fs = k.current.fs
    assert fs is not None
    return fs


def getname(k: Kernel, address: int) -> str:
    """A path from user memory. Raises Errno(EFAULT), Errno(ENAMETOOLONG), Errno(ENOENT) for ""."""
    return getname_flags(k, address, empty=False)


def getname_flags(k: Kernel, address: int, *, empty: bool) -> str:
    """The same; with `empty` (AT_EMPTY_PATH) "" is a path, too."""
    text = strncpy_from_user(k, address, PATH_MAX).decode(errors="surrogateescape")
    if not text and not empty:
        raise Errno(ENOENT)
    return text


# -- the walk --------------------------------------------------------------------------------------


def path_lookup(
    k: Kernel, path: str, dirfd: int = AT_FDCWD, *, follow: bool = True, resolve: int = 0
) -> Nameidata:
    """Walk a path; a symbolic link at its end only with `follow`, or with a slash behind it. `resolve` are
    the RESOLVE_ limits of openat2.

    Raises Errno for everything but a missing last name.
    """
    follow_last = follow or path.endswith("/")
    return _walk(k, path, dirfd, follow_last=follow_last, resolve=resolve)


def path_at(k: Kernel, path: str, dirfd: int, *, follow: bool = True) -> Path:
    """What a path names; "" is what `dirfd` has open, or the working directory (LOOKUP_EMPTY).

    Raises Errno: ENOENT, EBADF, or what the walk answers.
    """
    if path:
        return path_lookup(k, path, dirfd, follow=follow).found()
    if dirfd == AT_FDCWD:
        return current_fs(k).pwd
    at = fget(k, dirfd).f_path
    if at is None:
        raise Errno(ENOENT)
    return at


def inode_at(
    k: Kernel, dirfd: int, pathname: int, flags: int, *, write: bool = False, null: bool = False
) -> Inode:
    """What a path in the program's memory names, as two AT_ flags say: a link itself; with "" what `dirfd`
    has open, a pipe as well, which is nowhere; so does a null pointer with `null`. With `write` it is to be
    changed.

    Raises Errno: EFAULT, EROFS through a read-only mount, or what `path_at` answers."""
    name = _name_at(k, pathname, flags, null=null)
    if not name and dirfd != AT_FDCWD:
        file = fget(k, dirfd)
        if write:
            mnt_want_write_file(file)
        return file.inode
    path = path_at(k, name, dirfd, follow=not flags & AT_SYMLINK_NOFOLLOW)
    if write:
        mnt_want_write(path.mnt)
    dentry = path.dentry
    dentry.inode.i_dentry = dentry
    return dentry.inode


def inode_and_path(
    k: Kernel, dirfd: int, pathname: int, flags: int, *, null: bool = False
) -> tuple[Inode, Path | None]:
    """The same to look at only, with where it is: None for what is nowhere."""
    name = _name_at(k, pathname, flags, null=null)
    if not name and dirfd != AT_FDCWD:
        file = fget(k, dirfd)
        return file.inode, file.f_path
    path = path_at(k, name, dirfd, follow=not flags & AT_SYMLINK_NOFOLLOW)
    return path.dentry.inode, path


def _name_at(k: Kernel, pathname: int, flags: int, *, null: bool) -> str:
    """getname_uflags, or getname_maybe_null: a null pointer is as good as an empty path."""
    empty = bool(flags & AT_EMPTY_PATH)
    return "" if null and empty and not pathname else getname_flags(k, pathname, empty=empty)


def path_parent(k: Kernel, path: str, dirfd: int = AT_FDCWD) -> Nameidata:
    """The same for who will make or remove the last name (LOOKUP_PARENT): that itself is taken as it is,
    be it a link or something with a mount on it."""
    return _walk(k, path, dirfd, follow_last=False, into_mount=False)


def _start(k: Kernel, path: str, dirfd: int) -> Path:
    fs = current_fs(k)
    if path.startswith("/"):
        return fs.root
    if dirfd == AT_FDCWD:
        return fs.pwd
    at = fget(k, dirfd).f_path
    if at is None or not at.dentry.inode.is_dir:
        raise Errno(ENOTDIR)
    return at


def _parts(path: str) -> list[str]:
    """The names in a path, the last one first."""
    return [part for part in path.split("/") if part][::-1]


def _walk(
    k: Kernel,
    path: str,
    dirfd: int,
    *,
    follow_last: bool,
    into_mount: bool = True,
    resolve: int = 0,
) -> Nameidata:
    root = current_fs(k).root
    if resolve & _SCOPED:
        if path.startswith("/") and resolve & RESOLVE_BENEATH:
            raise Errno(EXDEV)
        root = _start(k, path.lstrip("/"), dirfd)
        at = parent = root
    else:
        at = parent = _start(k, path, dirfd)
    home = at.mnt
    rest, slash = _parts(path), path.endswith("/")
    name, links = "", 0
    while rest:
        name = rest.pop()
        parent = at
        last = not rest
        inode_permission(k, at.dentry.inode, MAY_EXEC)
        if name == ".":
            continue
        if name == "..":
            if resolve & RESOLVE_BENEATH and at == root:
                raise Errno(EXDEV)
            at = follow_dotdot(at, root)
            _check_mount(at, home, resolve)
            continue
        found = lookup_one(k, at.dentry, name)
        if found is None:
            if not last:
                raise Errno(ENOENT)
            return Nameidata(parent, name, None, slash)
        if found.inode.is_link and (follow_last or not last):
            links += 1
            if links > MAXSYMLINKS or resolve & RESOLVE_NO_SYMLINKS:
                raise Errno(ELOOP)
            if at.mnt.flags & MNT_NOSYMFOLLOW:
                raise Errno(ELOOP)
            jump = found.inode.i_op.jump(k, found.inode)
            if jump is not None:
                if resolve & (RESOLVE_NO_MAGICLINKS | _SCOPED):
                    raise Errno(ELOOP if resolve & RESOLVE_NO_MAGICLINKS else EXDEV)
                at = jump
                _check_mount(at, home, resolve)
                if not last and not at.dentry.inode.is_dir:
                    raise Errno(ENOTDIR)
                continue
            target = found.inode.i_op.get_link(k, found.inode)
            if target.startswith("/"):
                if resolve & RESOLVE_BENEATH:
                    raise Errno(EXDEV)
                at = root
                _check_mount(at, home, resolve)
            slash = slash or (last and target.endswith("/"))
            rest += _parts(target)
            parent, name = at, ""  # of a link to the root itself
            continue
        at = Path(at.mnt, found)
        if into_mount or not last:
            at = traverse_mounts(at)
            _check_mount(at, home, resolve)
        if not last and not at.dentry.inode.is_dir:
            raise Errno(ENOTDIR)
    return Nameidata(parent, name, at, slash)


def _check_mount(at: Path, home: Mount, resolve: int) -> None:
    if resolve & RESOLVE_NO_XDEV and at.mnt is not home:
        raise Errno(EXDEV)


def lookup_one(k: Kernel, directory: Dentry, name: str) -> Dentry | None:
    """A name in a directory: as it is known, or as the file system finds it; None.

    Raises Errno(ENAMETOOLONG).
    """
    if len(name.encode(errors="surrogateescape")) > NAME_MAX:
        raise Errno(ENAMETOOLONG)
    known = directory.children.get(name)
    if known is not None:
        if known.inode.i_sb.s_op.d_revalidate(k, known):
            return known
        d_drop(known)
    inode = directory.inode.i_op.lookup(k, directory.inode, name)
    return None if inode is None else d_add(directory, name, inode)


# -- making and removing names ---------------------------------------------------------------------


def may_create(k: Kernel, parent: Path) -> Inode:
    """The directory, if a name may be made in it.

    Raises Errno(EACCES), Errno(EROFS), or Errno(ENOENT) in a directory that has been removed.
    """
    inode = parent.dentry.inode
    if not inode.nlink:
        raise Errno(ENOENT)
    inode_permission(k, inode, MAY_WRITE | MAY_EXEC)
    return inode


def may_delete(k: Kernel, parent: Path, victim: Dentry) -> None:
    """Whether a name may be taken away. Raises Errno(EACCES), or Errno(EPERM) by the sticky bit."""
    inode, directory = victim.inode, parent.dentry.inode
    inode_permission(k, directory, MAY_WRITE | MAY_EXEC)
    cred = k.current.cred
    mine = cred.fsuid in (inode.uid, directory.uid)
    if directory.fsflags & FS_APPEND_FL or inode.fsflags & (FS_APPEND_FL | FS_IMMUTABLE_FL):
        raise Errno(EPERM)
    if directory.mode & S_ISVTX and not mine and not capable(k, CAP_FOWNER):
        raise Errno(EPERM)


def _not_mounted(parent: Path, victim: Dentry) -> None:
    if victim in parent.mnt.mounts:
        raise Errno(EBUSY)


def _new_name(k: Kernel, path: str, dirfd: int = AT_FDCWD, *, directory: bool = False) -> Nameidata:
    """filename_create: the place of a name that does not exist yet. Raises Errno(EEXIST),
    Errno(ENOENT), or what the walk answers.
    """
    nd = path_parent(k, path, dirfd)
    if nd.path is not None:
        raise Errno(EEXIST)
    if nd.trailing_slash and not directory:
        raise Errno(ENOENT)
    mnt_want_write(nd.parent.mnt)
    return nd


def do_mkdir(k: Kernel, path: str, mode: int, dirfd: int = AT_FDCWD) -> None:
    """Mode less the umask. Raises Errno(EEXIST) for any name that is there, even a dangling link."""
    nd = _new_name(k, path, dirfd, directory=True)
    landlock_make(k, nd.parent, S_IFDIR)
    parent = may_create(k, nd.parent)
    bits = mode & 0o1777 & ~current_fs(k).umask
    name_new(k, nd.parent.dentry, nd.name, parent.i_op.mkdir(k, parent, nd.name, bits))


def may_make_whiteout(k: Kernel) -> bool:
    """Whether a character device 0:0 may be made."""
    return k.host.profile.free_whiteouts or capable(k, CAP_MKNOD)


def do_mknod(k: Kernel, path: str, mode: int, rdev: int, dirfd: int = AT_FDCWD) -> None:
    """A file of any type but a directory (EPERM) or a link (EINVAL); devices need CAP_MKNOD (EPERM)."""
    kind = mode & S_IFMT or S_IFREG
    if kind not in (S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK):
        raise Errno(EPERM if kind == S_IFDIR else EINVAL)
    nd = _new_name(k, path, dirfd)
    landlock_make(k, nd.parent, kind)
    parent = may_create(k, nd.parent)
    bits = mode & 0o7777 & ~current_fs(k).umask
    if kind == S_IFREG:
        inode = parent.i_op.create(k, parent, nd.name, bits)
    else:
        whiteout = kind == S_IFCHR and rdev == WHITEOUT_DEV and may_make_whiteout(k)
        if kind in (S_IFCHR, S_IFBLK) and not whiteout and not capable(k, CAP_MKNOD):
            raise Errno(EPERM)
        inode = parent.i_op.mknod(k, parent, nd.name, kind | bits, rdev)
    name_new(k, nd.parent.dentry, nd.name, inode)


def do_symlink(k: Kernel, target: str, path: str, dirfd: int = AT_FDCWD) -> None:
    """A name that leads to another path, whether or not that exists.

    Raises Errno as _new_name, Errno(ENOSPC).
    """
    nd = _new_name(k, path, dirfd)
    landlock_make(k, nd.parent, S_IFLNK)
    parent = may_create(k, nd.parent)
    name_new(k, nd.parent.dentry, nd.name, parent.i_op.symlink(k, parent, nd.name, target))


def do_link(k: Kernel, old: str, new: str) -> None:
    """One more name for a file, on the same mount (else EXDEV); a link is linked itself. Raises
    Errno(EPERM) for a directory.
    """
    link_path(k, path_lookup(k, old, follow=False).found(), new)


def link_path(k: Kernel, source: Path, new: str, dirfd: int = AT_FDCWD) -> None:
    """The same for what has been found. ENOENT for a file whose last name is gone."""
    nd = _new_name(k, new, dirfd)
    if nd.parent.mnt is not source.mnt:
        raise Errno(EXDEV)
    above = source.dentry if source.dentry is source.mnt.root else source.dentry.parent
    landlock_refer(k, source, Path(source.mnt, above), nd.parent, None, removes=False)
    parent = may_create(k, nd.parent)
    inode = source.dentry.inode
    if inode.is_dir or inode.fsflags & (FS_APPEND_FL | FS_IMMUTABLE_FL):
        raise Errno(EPERM)
    if not inode.nlink and not inode.linkable:
        raise Errno(ENOENT)
    parent.i_op.link(k, inode, parent, nd.name)
    name_link(k, nd.parent.dentry, nd.name, inode)


def do_rename(
    k: Kernel,
    old: str,
    new: str,
    olddir: int = AT_FDCWD,
    newdir: int = AT_FDCWD,
    flags: int = 0,
) -> None:
    """Another name, taking the place of what has it (vfs_rename). Raises Errno: EXDEV to another
    mount, EBUSY for `.` and `..`, EINVAL into itself, ENOTEMPTY, or what the walk and the rights
    answer. With RENAME_NOREPLACE an existing name is EEXIST; with RENAME_EXCHANGE the two change places; with
    RENAME_WHITEOUT a whiteout has the old name then.
    """
    source, target = path_parent(k, old, olddir), path_parent(k, new, newdir)
    if source.parent.mnt is not target.parent.mnt:
        raise Errno(EXDEV)
    if source.name in ("", ".", "..") or target.name in ("", ".", ".."):
        raise Errno(EEXIST if flags & RENAME_NOREPLACE and source.name not in _DOTS else EBUSY)
    mnt_want_write(source.parent.mnt)
    if source.path is None:
        raise Errno(ENOENT)
    dentry = source.path.dentry
    there = None if target.path is None else target.path.dentry
    if flags & RENAME_NOREPLACE and there is not None:
        raise Errno(EEXIST)
    exchange = bool(flags & RENAME_EXCHANGE)
    if exchange and there is None:
        raise Errno(ENOENT)
    is_dir = dentry.inode.is_dir
    if exchange and there is not None:
        if not there.inode.is_dir and target.trailing_slash:
            raise Errno(ENOTDIR)
    elif not is_dir and (source.trailing_slash or target.trailing_slash):
        raise Errno(ENOTDIR)
    if is_ancestor(dentry, target.parent.dentry):
        raise Errno(EINVAL)
    if there is not None and is_ancestor(there, source.parent.dentry):
        raise Errno(EINVAL if exchange else ENOTEMPTY)
    back = there if exchange else None
    landlock_refer(k, source.path, source.parent, target.parent, there, removes=True, back=back)
    if there is not None and there.inode is dentry.inode:
        return
    may_delete(k, source.parent, dentry)
    if there is None:
        may_create(k, target.parent)
    else:
        may_delete(k, target.parent, there)
        if not exchange and is_dir != there.inode.is_dir:
            raise Errno(ENOTDIR if is_dir else EISDIR)
        _not_mounted(target.parent, there)
    _not_mounted(source.parent, dentry)
    old_dir, new_dir = source.parent.dentry.inode, target.parent.dentry.inode
    if old_dir is not new_dir:
        if is_dir:
            inode_permission(k, dentry.inode, MAY_WRITE)  # its `..` changes
        if exchange and there is not None and there.inode.is_dir:
            inode_permission(k, there.inode, MAY_WRITE)
    if exchange and there is not None:
        exchange_names(k, dentry, there)
        return
    whiteout = None
    if flags & RENAME_WHITEOUT:
        if old_dir.i_sb.s_type not in _WHITEOUTS:
            raise Errno(EINVAL)
        whiteout = old_dir.i_op.mknod(k, old_dir, source.name, S_IFCHR, WHITEOUT_DEV)
    rename(k, dentry, target.parent.dentry, target.name, there)
    if whiteout is not None:
        name_new(k, source.parent.dentry, source.name, whiteout)


def do_rmdir(k: Kernel, path: str, dirfd: int = AT_FDCWD) -> None:
    """Take an empty directory away.

    Raises Errno: EINVAL for `.`, ENOTEMPTY, EBUSY for `/`, ENOTDIR, ENOENT.
    """
    nd = path_parent(k, path, dirfd)
    refused = {".": EINVAL, "..": ENOTEMPTY, "": EBUSY}.get(nd.name)
    if refused is not None:
        raise Errno(refused)
    mnt_want_write(nd.parent.mnt)
    if nd.path is None:
        raise Errno(ENOENT)
    victim = nd.path.dentry
    landlock_remove(k, nd.parent, directory=True)
    may_delete(k, nd.parent, victim)
    if not victim.inode.is_dir:
        raise Errno(ENOTDIR)
    _not_mounted(nd.parent, victim)
    unname_dir(k, nd.parent.dentry.inode, victim)


def do_unlink(k: Kernel, path: str, dirfd: int = AT_FDCWD) -> None:
    """Take any other name away; whoever has the file open keeps it. Raises Errno(EISDIR), or what
    the walk and the rights answer.
    """
    nd = path_parent(k, path, dirfd)
    if nd.name in ("", ".", ".."):
        raise Errno(EISDIR)
    mnt_want_write(nd.parent.mnt)
    victim = nd.found().dentry
    landlock_remove(k, nd.parent, directory=False)
    may_delete(k, nd.parent, victim)
    if victim.inode.is_dir:
        raise Errno(EISDIR)
    _not_mounted(nd.parent, victim)
    unname(k, nd.parent.dentry.inode, victim)
