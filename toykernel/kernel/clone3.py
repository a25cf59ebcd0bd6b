"""clone3 (kernel/fork.c): clone with its arguments in a record that can grow."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import access_ok, copy_from_user
from toykernel.arch.x86.uaccess import copy_struct_from_user as copy_struct_from_user
from toykernel.errno import E2BIG, EBADF, EFAULT, EINVAL, Errno
from toykernel.kernel.clone_flags import (
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_INTO_CGROUP,
    CLONE_NEWTIME,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CSIGNAL,
    CloneArgs,
)
from toykernel.kernel.fork import do_fork
from toykernel.kernel.pid import MAX_PID_NS_LEVEL
from toykernel.kernel.siginfo import NSIG
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

CLONE_ARGS_SIZE_VER0, CLONE_ARGS_SIZE_VER2 = 64, 88
_FIELDS = (
    *("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls"),
    *("set_tid", "set_tid_size", "cgroup"),
)


@syscall(435, "cl_args:clone_args size:size", entry="ptregs_clone3")
def sys_clone3(k: Kernel, address: int, size: int) -> Result:
    """clone3: what is shared and where the child runs. EINVAL, E2BIG, EFAULT, EPERM, and fork's errors.

    There are no time namespaces here: CLONE_NEWTIME is EINVAL. No directory is a control group's:
    CLONE_INTO_CGROUP is EBADF, whatever its descriptor.
    """
    if size > 4096:
        raise Errno(E2BIG)
    if size < CLONE_ARGS_SIZE_VER0:
        raise Errno(EINVAL)
    data = copy_struct_from_user(k, address, size, CLONE_ARGS_SIZE_VER2)
    a = dict(zip(_FIELDS, struct.unpack("<11Q", data), strict=True))
    tids = _set_tid(k, a)
    _check(a, size)
    if a["flags"] & CLONE_INTO_CGROUP:
        raise Errno(EBADF)
    regs = k.task_pt_regs(k.current)
    stack = a["stack"] + a["stack_size"] if a["stack"] else regs.sp
    flags = a["flags"] | a["exit_signal"]
    pidfd = a["pidfd"] if flags & CLONE_PIDFD else None
    return do_fork(
        k, CloneArgs(flags, stack, regs, a["parent_tid"], a["child_tid"], a["tls"], tids, pidfd)
    )


def _set_tid(k: Kernel, a: dict[str, int]) -> tuple[int, ...]:
    """The numbers that the child is to have, innermost namespace first."""
    count = a["set_tid_size"]
    if count > MAX_PID_NS_LEVEL or bool(a["set_tid"]) != bool(count):
        raise Errno(EINVAL)
    if a["exit_signal"] & ~CSIGNAL or a["exit_signal"] > NSIG:
        raise Errno(EINVAL)
    if not count:
        return ()
    return struct.unpack(f"<{count}i", copy_from_user(k, a["set_tid"], 4 * count))


def _check(a: dict[str, int], size: int) -> None:
    """copy_clone_args_from_user, clone3_args_valid, and what this kernel has not."""
    flags = a["flags"]
    if flags & CLONE_INTO_CGROUP and (a["cgroup"] > 0x7FFFFFFF or size < CLONE_ARGS_SIZE_VER2):
        raise Errno(EINVAL)
    known = 0xFFFFFFFF | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP
    if flags & (CLONE_DETACHED | CSIGNAL | CLONE_NEWTIME | ~known):
        raise Errno(EINVAL)
    both = CLONE_PIDFD | CLONE_PARENT_SETTID
    if flags & both == both and a["pidfd"] == a["parent_tid"]:
        raise Errno(EINVAL)
    if flags & CLONE_SIGHAND and flags & CLONE_CLEAR_SIGHAND:
        raise Errno(EINVAL)
    if flags & (CLONE_THREAD | CLONE_PARENT) and a["exit_signal"]:
        raise Errno(EINVAL)
    if bool(a["stack"]) != bool(a["stack_size"]):
        raise Errno(EINVAL)
    if not access_ok(a["stack"], a["stack_size"]):
        raise Errno(EINVAL)
    if max(a["child_tid"], a["parent_tid"], a["tls"], a["pidfd"]) >> 32:
        raise Errno(EFAULT)
