"""What ioctl asks a pidfd (fs/pidfs.c): who the process is, how it ended, and its namespaces."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EACCES, EINVAL, ENOTTY, EOPNOTSUPP, ESRCH, Errno
from toykernel.fs.nsfs import namespace_of, open_namespace
from toykernel.kernel.pid import pid_nr_ns, pid_task, task_active_pid_ns
from toykernel.kernel.ptrace import ptrace_may_access

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.kernel.pid import Pid
    from toykernel.state import Kernel

INFO_PID, INFO_CREDS, INFO_EXIT = 1, 2, 8
_MAGIC = 0xFF  # PIDFS_IOCTL_MAGIC
_GET_INFO = 11
#: struct pidfd_info as it first was, and with exit code, core dump mask and room.
_SIZE_VER0 = 64
_INFO = struct.Struct("<2Q11I i 2I")
#: By request: the namespace of the process; None: a kind that this kernel does not have.
_NAMESPACES = {
    1: None,  # of cgroups
    2: "ipc",
    3: "mnt",
    4: None,  # of networks
    5: "pid",
    6: "pid_for_children",
    7: None,  # of time
    8: None,
    9: "user",
    10: "uts",
}


def pidfd_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """PIDFD_GET_INFO and PIDFD_GET_…_NAMESPACE. Raises Errno(ENOTTY) for another request, Errno(ESRCH) of a
    process that is gone, Errno(EACCES) for who may not trace it, Errno(EINVAL), Errno(EOPNOTSUPP).
    """
    pid: Pid = file.private
    if request >> 8 & 0xFF != _MAGIC:
        raise Errno(ENOTTY)
    number, size = request & 0xFF, request >> 16 & 0x3FFF
    if number == _GET_INFO and request >> 30 == 3:
        return _pidfd_info(k, pid, argp, size)
    if number not in _NAMESPACES or request >> 16:
        raise Errno(ENOTTY)
    task = pid_task(k, pid)
    if task is None:
        raise Errno(ESRCH)
    if argp:
        raise Errno(EINVAL)
    if task.exit_state:
        raise Errno(ESRCH)
    if not ptrace_may_access(k, task):
        raise Errno(EACCES)
    name = _NAMESPACES[number]
    if name is None:
        raise Errno(EOPNOTSUPP)
    return open_namespace(k, namespace_of(task, name))


def _pidfd_info(k: Kernel, pid: Pid, argp: int, size: int) -> int:
    """Ids always; how it ended, once reaped, for who asks. ESRCH of one out of sight, EINVAL, EFAULT."""
    if not argp or size < _SIZE_VER0:
        raise Errno(EINVAL)
    wanted = int.from_bytes(copy_from_user(k, argp, 8), "little")
    ns = task_active_pid_ns(k.current)
    if not pid_nr_ns(pid, ns):
        raise Errno(ESRCH)
    mask = exit_code = 0
    ids = (0,) * 11
    if wanted & INFO_EXIT and pid.exit_code is not None:
        mask, exit_code = INFO_EXIT, pid.exit_code
    task = pid_task(k, pid)
    if task is not None:
        cred, leader = task.cred, task.group_leader
        parent = pid_nr_ns(task.real_parent.group_leader.pid_struct, ns)
        numbers = (pid_nr_ns(pid, ns), pid_nr_ns(leader.pid_struct, ns), parent)
        users = (cred.uid, cred.gid, cred.euid, cred.egid, cred.suid, cred.sgid)
        ids = (*numbers, *users, cred.fsuid, cred.fsgid)
        mask |= INFO_PID | INFO_CREDS
    elif not wanted & INFO_EXIT:
        raise Errno(ESRCH)
    # exit_code is a signed word; a status of wait fits.
    data = _INFO.pack(mask, 0, *ids, exit_code, 0, 0)
    copy_to_user(k, argp, data[:size].ljust(size, b"\0"))
    return 0
