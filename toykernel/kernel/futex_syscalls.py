"""get_robust_list (kernel/futex/syscalls.c): where another task keeps the list of its locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import put_user
from toykernel.errno import EPERM, ESRCH, Errno
from toykernel.kernel.futex_robust import ROBUST_LIST_HEAD_SIZE
from toykernel.kernel.pid import find_task_by_vpid
from toykernel.kernel.ptrace import ptrace_may_access
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel


@syscall(312, "pid:pid head_ptr:address len_ptr:address")
def sys_get_robust_list(k: Kernel, pid: int, head_ptr: int, len_ptr: int) -> int:
    """get_robust_list: what set_robust_list was told, of any task. ESRCH, EPERM, EFAULT."""
    task = find_task_by_vpid(k, pid) if pid else k.current
    if task is None:
        raise Errno(ESRCH)
    if not ptrace_may_access(k, task):
        raise Errno(EPERM)
    put_user(k, ROBUST_LIST_HEAD_SIZE, len_ptr)
    put_user(k, task.robust_list, head_ptr)
    return 0
