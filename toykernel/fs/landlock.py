"""What Landlock lets a task do with files (security/landlock/fs.c).

A layer allows what one of its rules allows for the file or a directory above it, through mounts. What a layer
does not handle it allows; but to link or rename into another directory has to be allowed by each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EACCES, EPERM, EXDEV, Errno
from toykernel.fs.file import O_ACCMODE, O_RDONLY, O_RDWR, O_WRONLY
from toykernel.fs.inode import (
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFREG,
    S_IFSOCK,
    Inode,
)
from toykernel.fs.mount import Path
from toykernel.fs.super import SHM_DEV

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry
    from toykernel.fs.file import File
    from toykernel.kernel.landlock import LandlockDomain
    from toykernel.state import Kernel

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << n for n in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (
    1 << n for n in range(6, 13)
)
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
ACCESS_FS = (1 << 16) - 1
#: What a rule for a file, and not a directory, may allow.
ACCESS_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_MAKE = {
    S_IFREG: MAKE_REG,
    S_IFDIR: MAKE_DIR,
    S_IFCHR: MAKE_CHAR,
    S_IFBLK: MAKE_BLOCK,
    S_IFIFO: MAKE_FIFO,
    S_IFSOCK: MAKE_SOCK,
    S_IFLNK: MAKE_SYM,
}
_NO_PLACE = ("pipefs", "sockfs", "nsfs", "anon_inodefs")
#: ioctls that are not the device's (is_masked_device_ioctl): FIOCLEX, FIONCLEX, FIONBIO, FIOASYNC, FIOQSIZE;
#: FIFREEZE, FITHAW, FS_IOC_FIEMAP, FIGETBSZ; FICLONE, FICLONERANGE, FIDEDUPERANGE; FS_IOC_GETFSUUID and
#: FS_IOC_GETFSSYSFSPATH.
_NOT_OF_DEVICES = (
    *(0x5451, 0x5450, 0x5421, 0x5452, 0x5460),
    *(0xC0045877, 0xC0045878, 0xC020660B, 2),
    *(0x40049409, 0x4020940D, 0xC0189436, 0x80111500, 0x80811501),
)


def _handled(layer: LandlockDomain) -> int:
    return layer.fs | REFER if layer.fs else 0


def _denied(domain: LandlockDomain, path: Path, wanted: int) -> list[int]:
    """What each layer denies of `wanted`, from the file up to the root."""
    layers = domain.layers
    left = [_handled(layer) & wanted for layer in layers]
    at: Path | None = path
    while at is not None and any(left):
        left = _less(layers, left, at.dentry.inode)
        if internal(at):
            return [0] * len(left)
        at = _above(at)
    return left


def internal(at: Path) -> bool:
    """MNT_INTERNAL: a pipe, a socket, a namespace or a memory file, which is at no place to have a rule."""
    sb = at.mnt.sb
    return sb.s_type in _NO_PLACE or (sb.s_dev == SHM_DEV and at.mnt.parent is None)


def _less(layers: list[LandlockDomain], left: list[int], inode: Inode) -> list[int]:
    return [bits & ~layer.rules.get(inode, 0) for bits, layer in zip(left, layers, strict=True)]


def _above(at: Path) -> Path | None:
    """The directory above, past the places that mounts hide."""
    while at.dentry is at.mnt.root:
        if at.mnt.parent is None or at.mnt.mountpoint is None:
            return None
        at = Path(at.mnt.parent, at.mnt.mountpoint)
    return Path(at.mnt, at.dentry.parent) if not at.dentry.is_root else None


def landlock_path(k: Kernel, path: Path, wanted: int) -> None:
    """Whether a task may do something below a directory, or with a file. Raises Errno(EACCES)."""
    domain = k.current.cred.landlock
    if domain is not None and any(_denied(domain, path, wanted)):
        raise Errno(EACCES)


def landlock_make(k: Kernel, parent: Path, kind: int) -> None:
    """Whether it may make a file of a type (S_IF). Raises Errno(EACCES)."""
    landlock_path(k, parent, _MAKE[kind])


def landlock_remove(k: Kernel, parent: Path, *, directory: bool) -> None:
    """Whether it may take a name away. Raises Errno(EACCES)."""
    landlock_path(k, parent, REMOVE_DIR if directory else REMOVE_FILE)


def landlock_exec(k: Kernel, path: Path) -> None:
    """Whether it may execute a file, which is read, too. Raises Errno(EACCES)."""
    landlock_path(k, path, EXECUTE | READ_FILE)


def landlock_open(k: Kernel, file: File) -> None:
    """hook_file_open: whether it may open what it has found; what it may do with it later stays with the
    open file. Raises Errno(EACCES)."""
    domain = k.current.cred.landlock
    path = file.f_path
    if domain is None or path is None:
        return
    access = file.flags & O_ACCMODE
    wanted = 0
    if access in (O_RDONLY, O_RDWR):
        wanted |= READ_DIR if file.inode.is_dir else READ_FILE
    if access in (O_WRONLY, O_RDWR):
        wanted |= WRITE_FILE
    later = TRUNCATE | (IOCTL_DEV if file.inode.type in (S_IFCHR, S_IFBLK) else 0)
    denied = 0
    for bits in _denied(domain, path, wanted | later):
        denied |= bits
    if denied & wanted:
        raise Errno(EACCES)
    file.landlock_denied = denied


def landlock_file_truncate(file: File) -> None:
    """hook_file_truncate. Raises Errno(EACCES)."""
    if file.landlock_denied & TRUNCATE:
        raise Errno(EACCES)


def landlock_file_ioctl(file: File, request: int) -> None:
    """hook_file_ioctl. Raises Errno(EACCES)."""
    if file.landlock_denied & IOCTL_DEV and request not in _NOT_OF_DEVICES:
        raise Errno(EACCES)


def landlock_mounts(k: Kernel) -> None:
    """Who has given up anything of files changes no mounts. Raises Errno(EPERM)."""
    domain = k.current.cred.landlock
    if domain is not None and any(layer.fs for layer in domain.layers):
        raise Errno(EPERM)


# -- another directory -----------------------------------------------------------------------------


def _removed(dentry: Dentry | None) -> int:
    if dentry is None:
        return 0
    return REMOVE_DIR if dentry.inode.is_dir else REMOVE_FILE


def landlock_refer(
    k: Kernel,
    old: Path,
    old_parent: Path,
    new_parent: Path,
    there: Dentry | None,
    *,
    removes: bool,
    back: Dentry | None = None,
) -> None:
    """current_check_refer_path: a link or another name, with what comes `back` in exchange.

    Raises Errno(EACCES); Errno(EXDEV) where it would have to be allowed to leave its directory, or could be
    used for more there.
    """
    domain = k.current.cred.landlock
    if domain is None or not any(layer.fs for layer in domain.layers):
        return
    from_wanted = _MAKE[back.inode.type] if back is not None else 0
    to_wanted = _MAKE[old.dentry.inode.type]
    if removes:
        from_wanted |= _removed(old.dentry)
        to_wanted |= _removed(there)
    if old_parent.dentry is new_parent.dentry:
        landlock_path(k, new_parent, from_wanted | to_wanted)
        return
    layers = domain.layers
    everything = ACCESS_FS
    here, target = (_denied(domain, path, everything) for path in (old_parent, new_parent))
    if not any(here) and not any(target):
        return
    wanted = from_wanted | REFER, to_wanted | REFER
    refused = [
        bits & asked for side, asked in zip((here, target), wanted, strict=True) for bits in side
    ]
    if any(bits & ~REFER for bits in refused):
        raise Errno(EACCES)
    whole = [_handled(layer) for layer in layers]
    child = _less(layers, whole, old.dentry.inode)
    other = _less(layers, whole, back.inode) if back is not None else None
    if any(refused) or not _no_more(here, child, target, directory=old.dentry.inode.is_dir):
        raise Errno(EXDEV)
    if other is None or there is None:
        return
    if not _no_more(target, other, here, directory=there.inode.is_dir):
        raise Errno(EXDEV)


def _no_more(here: list[int], child: list[int], there: list[int], *, directory: bool) -> bool:
    """no_more_access: a file is not allowed more below its new directory than it was below the old one."""
    kinds = ACCESS_FS if directory else ACCESS_FILE
    return all(
        not (old & own & ~new & kinds) for old, own, new in zip(here, child, there, strict=True)
    )
