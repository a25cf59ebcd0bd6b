"""membarrier (kernel/sched/membarrier.c): order the memory accesses of other threads with one's own.

With one processor every thread sees the accesses of the others in their order, so a barrier has nothing to
do; who may ask for which is all there is to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, EPERM, Errno
from toykernel.mm.mmap import user_mm
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

MEMBARRIER_CMD_QUERY, MEMBARRIER_CMD_GLOBAL, MEMBARRIER_CMD_GLOBAL_EXPEDITED = 0, 1, 2
MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED = 4
#: Those of one process, and what has to be called once before each.
_PRIVATE = {8: 16, 32: 64, 128: 256}
_PRIVATE_EXPEDITED_RSEQ, _FLAG_CPU = 128, 1
MEMBARRIER_CMD_GET_REGISTRATIONS = 512
_ALL = 1023
_REGISTER = (MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, *_PRIVATE.values())


@syscall(375, "cmd:int flags:hex cpu_id:int")
def sys_membarrier(k: Kernel, cmd: int, flags: int, cpu_id: int) -> int:
    """membarrier: 0, or what there is for CMD_QUERY; EPERM before the process has registered; EINVAL."""
    if flags & ~(_FLAG_CPU if cmd == _PRIVATE_EXPEDITED_RSEQ else 0):
        raise Errno(EINVAL)
    mm = user_mm(k)
    if cmd == MEMBARRIER_CMD_QUERY:
        return _ALL
    if cmd in (MEMBARRIER_CMD_GLOBAL, MEMBARRIER_CMD_GLOBAL_EXPEDITED):
        return 0
    if cmd in _REGISTER:
        mm.membarrier_state |= cmd
        return 0
    if cmd == MEMBARRIER_CMD_GET_REGISTRATIONS:
        return mm.membarrier_state
    if cmd not in _PRIVATE:
        raise Errno(EINVAL)
    if not mm.membarrier_state & _PRIVATE[cmd]:
        raise Errno(EPERM)
    return 0
