"""memfd_create and seals (mm/memfd.c): files in memory that have no name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import strncpy_from_user
from toykernel.errno import EBUSY, EINVAL, ENAMETOOLONG, EPERM, Errno
from toykernel.fs.dcache import Dentry
from toykernel.fs.file import (
    O_LARGEFILE,
    O_RDWR,
    File,
    fd_install,
    get_empty_filp,
    get_unused_fd,
)
from toykernel.fs.inode import (
    F_SEAL_EXEC,
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    S_IFREG,
    drop_nlink,
)
from toykernel.fs.mount import Mount, Path
from toykernel.fs.ramfs import new_inode
from toykernel.kernel.timekeeping import ktime_get_real
from toykernel.mm.mm_types import VM_MAYWRITE, VM_SHARED, VM_WRITE
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB = 1, 2, 4
MFD_NOEXEC_SEAL, MFD_EXEC = 8, 16
MFD_NAME_MAX_LEN = 249
_ALL_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
_ALL_SEALS |= F_SEAL_FUTURE_WRITE | F_SEAL_EXEC


@syscall(356, "name:path flags:memfd_flags")
def sys_memfd_create(k: Kernel, uname: int, flags: int) -> int:
    """memfd_create: an empty file in memory without a name in the tree. EINVAL for a flag (there are no
    huge pages) or a name over 249 bytes, EFAULT, EMFILE, ENOMEM.
    """
    if flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC):
        raise Errno(EINVAL)
    if flags & MFD_EXEC and flags & MFD_NOEXEC_SEAL:
        raise Errno(EINVAL)
    try:
        name = strncpy_from_user(k, uname, MFD_NAME_MAX_LEN + 1).decode(errors="surrogateescape")
    except Errno as error:
        raise Errno(EINVAL if error.number == ENAMETOOLONG else error.number) from None
    fd = get_unused_fd(k)
    cred, sb = k.current.cred, k.files.fs.shm
    mode = 0o666 if flags & MFD_NOEXEC_SEAL else 0o777
    now = ktime_get_real(k)
    inode = new_inode(sb, S_IFREG | mode, cred.fsuid, cred.fsgid, now=now)
    inode.nlink = 0
    inode.sealable = True
    inode.seals = 0 if flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) else F_SEAL_SEAL
    inode.seals |= F_SEAL_EXEC if flags & MFD_NOEXEC_SEAL else 0
    path = f"/memfd:{name}"
    try:
        file = get_empty_filp(k, inode, inode.i_fop, O_RDWR | O_LARGEFILE, f"{path} (deleted)")
    except Errno:
        drop_nlink(k, inode, 0)
        raise
    file.writer = False  # so what is in memory can be executed while it is open (alloc_file_pseudo)
    dentry = Dentry(path.removeprefix("/"), inode)
    file.f_path = Path(Mount(sb, dentry), dentry)
    return fd_install(k, fd, file, cloexec=bool(flags & MFD_CLOEXEC))


def memfd_add_seals(k: Kernel, file: File, seals: int) -> int:
    """F_ADD_SEALS: what nobody may do with the file any more. EPERM for who may not write it or when no more
    may be added, EINVAL, EBUSY for F_SEAL_WRITE while it is mapped for writing.
    """
    if not file.writable:
        raise Errno(EPERM)
    if seals & ~_ALL_SEALS or not file.inode.sealable:
        raise Errno(EINVAL)
    if file.inode.seals & F_SEAL_SEAL:
        raise Errno(EPERM)
    if seals & F_SEAL_WRITE and not file.inode.seals & F_SEAL_WRITE and _mapped(k, file):
        raise Errno(EBUSY)
    file.inode.seals |= seals
    return 0


def _mapped(k: Kernel, file: File) -> bool:
    wanted = VM_WRITE | VM_MAYWRITE
    return any(
        area.mapping is file.inode.i_mapping
        and area.vm_flags & VM_SHARED
        and area.vm_flags & wanted
        for mm in k.memory.mms.values()
        for area in mm
    )
