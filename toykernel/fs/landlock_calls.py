"""landlock_create_ruleset, landlock_add_rule, landlock_restrict_self (security/landlock/syscalls.c), and
lsm_list_modules (security/lsm_syscalls.c).
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import E2BIG, EBADFD, EFAULT, EINVAL, ENOMSG, EPERM, Errno
from toykernel.fs.anon_inodes import anon_inode_getfile
from toykernel.fs.file import O_RDWR, File, fd_install, fget, fget_open, get_unused_fd
from toykernel.fs.landlock import ACCESS_FILE, ACCESS_FS, internal
from toykernel.fs.operations import FileOperations
from toykernel.kernel.clone3 import copy_struct_from_user
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable, commit_creds, prepare_creds, put_cred
from toykernel.kernel.landlock import MAX_LAYERS, LandlockDomain, LandlockRuleset
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

ABI_VERSION, CREATE_RULESET_VERSION = 6, 1
ACCESS_NET, SCOPES = 3, 3
RULE_PATH_BENEATH, RULE_NET_PORT = 1, 2
LSM_ID_CAPABILITY, LSM_ID_LANDLOCK = 100, 110


def ruleset_release(k: Kernel, file: File) -> None:
    """The ruleset goes; the domains that were made of it have their own."""
    k.memory.slabs.landlock.free(k, file.private.slab)


def dummy_transfer(k: Kernel, file: File, address: int, count: int) -> int:
    """fop_dummy_read and fop_dummy_write: the file is one that is read and written. Raises Errno(EINVAL)."""
    raise Errno(EINVAL)


RULESET = FileOperations(
    "toykernel.fs.landlock_calls:RULESET",
    read=dummy_transfer,
    write=dummy_transfer,
    release=ruleset_release,
)


@syscall(444, "attr:address size:size flags:hex")
def sys_landlock_create_ruleset(k: Kernel, attr: int, size: int, flags: int) -> int:
    """landlock_create_ruleset: a descriptor for rules about what is to be given up, or the version. EINVAL,
    E2BIG, EFAULT, ENOMSG for nothing, EMFILE, ENOMEM.
    """
    if flags:
        if flags == CREATE_RULESET_VERSION and not attr and not size:
            return ABI_VERSION
        raise Errno(EINVAL)
    if not attr:
        raise Errno(EFAULT)
    if size < 8:
        raise Errno(EINVAL)
    if size > PAGE_SIZE:
        raise Errno(E2BIG)
    fs, net, scoped = struct.unpack("<3Q", copy_struct_from_user(k, attr, size, 24))
    if fs & ~ACCESS_FS or net & ~ACCESS_NET or scoped & ~SCOPES:
        raise Errno(EINVAL)
    if not fs | net | scoped:
        raise Errno(ENOMSG)
    with ExitStack() as undo:
        slab = k.memory.slabs.landlock.alloc(k)
        undo.callback(k.memory.slabs.landlock.free, k, slab)
        fd = get_unused_fd(k)
        ruleset = LandlockRuleset(slab, fs, net, scoped)
        file = anon_inode_getfile(k, "[landlock-ruleset]", RULESET, ruleset, O_RDWR)
        undo.pop_all()
    return fd_install(k, fd, file, cloexec=True)


def _ruleset(k: Kernel, fd: int) -> LandlockRuleset:
    """Raises Errno(EBADF), Errno(EBADFD) for another file."""
    found = fget_open(k, fd).private
    if not isinstance(found, LandlockRuleset):
        raise Errno(EBADFD)
    return found


@syscall(445, "ruleset_fd:fd rule_type:uint rule_attr:address flags:hex")
def sys_landlock_add_rule(k: Kernel, fd: int, kind: int, attr: int, flags: int) -> int:
    """landlock_add_rule: what is allowed below a directory, with a file, or for a port. EINVAL, EBADF,
    EBADFD, EFAULT, ENOMSG for a rule that allows nothing.
    """
    if flags:
        raise Errno(EINVAL)
    ruleset = _ruleset(k, fd)
    if kind == RULE_PATH_BENEATH:
        allowed, parent = struct.unpack("<Qi", copy_from_user(k, attr, 12))
        _may_allow(allowed, ruleset.fs)
        file = fget(k, parent)
        if (
            isinstance(file.private, LandlockRuleset)
            or file.f_path is None
            or internal(file.f_path)
        ):
            raise Errno(EBADFD)
        inode = file.f_path.dentry.inode
        if not inode.is_dir and allowed & ~ACCESS_FILE:
            raise Errno(EINVAL)
        # What the ruleset does not handle is allowed anyway.
        ruleset.rules[inode] = ruleset.rules.get(inode, 0) | allowed
    elif kind == RULE_NET_PORT:
        allowed, port = struct.unpack("<2Q", copy_from_user(k, attr, 16))
        _may_allow(allowed, ruleset.net)
        if port > 0xFFFF:
            raise Errno(EINVAL)
        ruleset.ports[port] = ruleset.ports.get(port, 0) | allowed
    else:
        raise Errno(EINVAL)
    return 0


def _may_allow(allowed: int, handled: int) -> None:
    if not allowed:
        raise Errno(ENOMSG)
    if allowed & ~handled:
        raise Errno(EINVAL)


@syscall(446, "ruleset_fd:fd flags:hex")
def sys_landlock_restrict_self(k: Kernel, fd: int, flags: int) -> int:
    """landlock_restrict_self: a ruleset over those that the caller has. EPERM without PR_SET_NO_NEW_PRIVS or
    CAP_SYS_ADMIN, EINVAL, EBADF, EBADFD, E2BIG for the 17th, ENOMEM.
    """
    if not k.current.no_new_privs and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if flags:
        raise Errno(EINVAL)
    rules = _ruleset(k, fd)
    with ExitStack() as undo:
        new = prepare_creds(k)
        undo.callback(put_cred, k, new)
        before = new.landlock
        if before is not None and len(before.layers) >= MAX_LAYERS:
            raise Errno(E2BIG)
        slab = k.memory.slabs.landlock.alloc(k)
        undo.pop_all()
    # The layer has the reference to the one before that the credentials had.
    new.landlock = LandlockDomain(
        *(slab, before, rules.fs, rules.net, rules.scoped),
        rules=dict(rules.rules),
        ports=dict(rules.ports),
    )
    commit_creds(k, new)
    return 0


@syscall(461, "ids:address size:address flags:hex")
def sys_lsm_list_modules(k: Kernel, ids: int, size: int, flags: int) -> int:
    """lsm_list_modules: the numbers of the security modules: capabilities and Landlock. EINVAL, EFAULT;
    E2BIG, telling the size.
    """
    if flags:
        raise Errno(EINVAL)
    data = struct.pack("<2Q", LSM_ID_CAPABILITY, LSM_ID_LANDLOCK)
    room = get_user(k, size)
    put_user(k, len(data), size)
    if room < len(data):
        raise Errno(E2BIG)
    copy_to_user(k, ids, data)
    return len(data) // 8
