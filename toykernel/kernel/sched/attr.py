"""sched_setattr and sched_getattr (kernel/sched/syscalls.c): policy, nice level and priority in one record.

SCHED_DEADLINE is no policy of this kernel: EINVAL; nor can a task ask for a range of speeds: EOPNOTSUPP.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import E2BIG, EINVAL, EOPNOTSUPP, EPERM, Errno
from toykernel.kernel.clone3 import copy_struct_from_user
from toykernel.kernel.sched import core
from toykernel.kernel.sched.entity import MAX_NICE, MIN_NICE, rt_policy
from toykernel.kernel.sched.syscalls import (
    can_nice,
    check_scheduler,
    find_process_by_pid,
    set_scheduler,
)
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

SCHED_ATTR_SIZE_VER0, SCHED_ATTR_SIZE_VER1 = 48, 56
SCHED_FLAG_RESET_ON_FORK, SCHED_FLAG_KEEP_POLICY, SCHED_FLAG_KEEP_PARAMS = 0x01, 0x08, 0x10
SCHED_FLAG_UTIL_CLAMP, SCHED_FLAG_ALL = 0x60, 0x7F
#: size, policy, flags, nice, priority, runtime, deadline, period, least and greatest utilisation.
_ATTR = "<IIQiIQQQII"


def _copy_attr(k: Kernel, address: int) -> tuple[int, int, int, int]:
    """Policy, flags, nice, priority. Raises Errno(E2BIG), telling the size that is known; EINVAL, EFAULT."""
    size = get_user(k, address) or SCHED_ATTR_SIZE_VER0
    try:
        if not SCHED_ATTR_SIZE_VER0 <= size <= 4096:
            raise Errno(E2BIG)
        data = copy_struct_from_user(k, address, size, SCHED_ATTR_SIZE_VER1)
    except Errno as error:
        if error.number == E2BIG:
            put_user(k, SCHED_ATTR_SIZE_VER1, address)
        raise
    _, policy, flags, nice, priority, *_ = struct.unpack(_ATTR, data)
    if flags & SCHED_FLAG_UTIL_CLAMP and size < SCHED_ATTR_SIZE_VER1:
        raise Errno(EINVAL)
    return policy, flags, max(MIN_NICE, min(MAX_NICE, nice)), priority


@syscall(351, "pid:pid attr:address flags:hex")
def sys_sched_setattr(k: Kernel, pid: int, address: int, flags: int) -> int:
    """sched_setattr: policy with its nice level or priority. EINVAL, E2BIG, EOPNOTSUPP, ESRCH, EPERM."""
    if not address or pid < 0 or flags:
        raise Errno(EINVAL)
    policy, wanted, nice, priority = _copy_attr(k, address)
    if policy >> 31:
        raise Errno(EINVAL)
    p = find_process_by_pid(k, pid)
    if wanted & SCHED_FLAG_KEEP_PARAMS:
        nice, priority = p.se.nice, p.se.rt_priority
    kept = bool(wanted & SCHED_FLAG_KEEP_POLICY)
    policy = p.se.policy if kept else policy
    reset = p.se.reset_on_fork if kept else bool(wanted & SCHED_FLAG_RESET_ON_FORK)
    if wanted & ~SCHED_FLAG_ALL:
        raise Errno(EINVAL)
    if wanted & SCHED_FLAG_UTIL_CLAMP:
        raise Errno(EOPNOTSUPP)
    if not rt_policy(policy) and nice < p.se.nice and not can_nice(k, p, nice):
        raise Errno(EPERM)
    if wanted & SCHED_FLAG_KEEP_PARAMS:  # the policy is one of them
        check_scheduler(k, p, policy, priority, reset)
        p.se.reset_on_fork = reset
        return 0
    set_scheduler(k, p, policy, priority, reset)
    if not rt_policy(policy):
        core.set_user_nice(k, p, nice)
    return 0


@syscall(352, "pid:pid attr:address size:size flags:hex")
def sys_sched_getattr(k: Kernel, pid: int, address: int, size: int, flags: int) -> int:
    """sched_getattr: as much of the record as there is room for. EINVAL for a size below 48, ESRCH."""
    if not address or pid < 0 or not SCHED_ATTR_SIZE_VER0 <= size <= 4096 or flags:
        raise Errno(EINVAL)
    se = find_process_by_pid(k, pid).se
    record = struct.pack(
        _ATTR,
        min(size, SCHED_ATTR_SIZE_VER1),
        se.policy,
        SCHED_FLAG_RESET_ON_FORK if se.reset_on_fork else 0,
        0 if rt_policy(se.policy) else se.nice,
        se.rt_priority,
        *(0, 0, 0, 0, 0),
    )
    copy_from_user(k, address, size)
    copy_to_user(k, address, record[:size].ljust(size, b"\0"))
    return 0
