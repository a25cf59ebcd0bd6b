"""acct (kernel/acct.c): a record in a file for each process that ends, as BSD has it; of version 3."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EACCES, EIO, EPERM, Errno
from toykernel.fs.file import O_APPEND, O_LARGEFILE, O_WRONLY, File, fput
from toykernel.fs.inode import S_IFREG
from toykernel.fs.namei import getname
from toykernel.fs.open import filp_open
from toykernel.fs.sendfile import write_file
from toykernel.kernel.cputime import group_times
from toykernel.kernel.cred import CAP_SYS_PACCT, capable
from toykernel.kernel.pid import pid_nr_ns, task_active_pid_ns
from toykernel.kernel.timekeeping import NSEC_PER_SEC, cycles_to_ns, ktime_get_real
from toykernel.syscalls import syscall
from toykernel.task import PF_FORKNOEXEC, PF_SIGNALED, PF_SUPERPRIV

if TYPE_CHECKING:
    from toykernel.kernel.pid import PidNamespace
    from toykernel.state import Kernel
    from toykernel.task import Task

AFORK, ASU, ACORE, AXSIG = 1, 2, 8, 16
ACCT_VERSION, AHZ = 3, 100
#: flag, version, tty, exit code, uid, gid, pid, ppid, when it began; how long it took; user and system time,
#: memory, characters, blocks, faults, swaps; its name: struct acct_v3.
_RECORD = struct.Struct("<BBH6If8H16s")
#: Below so many percent of free room nothing is written, until there are more than the second.
_SUSPEND, _RESUME = 2, 4


@dataclass(eq=False)
class BsdAcct:
    """struct bsd_acct_struct: where the processes of a namespace are written down."""

    file: File
    active: bool = True

    def process(self, k: Kernel, task: Task, ns: PidNamespace, code: int) -> None:
        """The last thread of a process ends, with a wait status."""
        flags = AFORK if task.flags & PF_FORKNOEXEC else 0
        flags |= ASU if task.flags & PF_SUPERPRIV else 0
        flags |= ACORE if code & 0x80 else 0
        flags |= AXSIG if task.flags & PF_SIGNALED else 0
        memory = task.mm.total_vm * 4 if task.mm is not None else 0
        faults = task.signal.min_flt + sum(thread.min_flt for thread in task.signal.threads)
        user, system = (time * AHZ // NSEC_PER_SEC for time in group_times(k, task))
        used = (user, system, memory, 0, 0, faults, 0, 0)
        self._write(k, _record(k, task, ns, flags, code, used))

    def close(self, k: Kernel, ns: PidNamespace) -> None:
        """Nothing is written any more, but a last record: who has closed it, and used nothing."""
        self._write(k, _record(k, k.current, ns, 0, 0, (0,) * 8))
        fput(k, self.file)

    def _write(self, k: Kernel, record: bytes) -> None:
        """What cannot be written is lost."""
        if self._room():
            with suppress(Errno):
                write_file(k, self.file, self.file.inode.size, record)

    def _room(self) -> bool:
        """check_free_space."""
        sb = self.file.inode.i_sb
        if sb.max_bytes:
            free = 100 * max(sb.max_bytes - sb.s_bytes, 0)
            self.active = free > sb.max_bytes * (_SUSPEND if self.active else _RESUME)
        return self.active


def comp_t(value: int) -> int:
    """encode_comp_t: 13 bits, and three of an exponent of 8; rounded."""
    exponent = rounding = 0
    while value > 0x1FFF:
        rounding = value & 4
        value >>= 3
        exponent += 1
    if rounding:
        value += 1
        if value > 0x1FFF:
            value >>= 3
            exponent += 1
    return exponent << 13 | value if exponent < 8 else 0xFFFF


def _record(
    k: Kernel, task: Task, ns: PidNamespace, flags: int, code: int, used: tuple[int, ...]
) -> bytes:
    leader = task.group_leader
    took = cycles_to_ns(k, k.machine.clock.cycles) - cycles_to_ns(k, leader.start_time)
    return _RECORD.pack(
        *(flags, ACCT_VERSION, 0, code, task.cred.uid, task.cred.gid),
        pid_nr_ns(leader.pid_struct, ns),
        pid_nr_ns(task.real_parent.group_leader.pid_struct, ns),
        (ktime_get_real(k) - took) // NSEC_PER_SEC & 0xFFFFFFFF,
        float(took * AHZ // NSEC_PER_SEC),
        *map(comp_t, used),
        task.comm.encode(errors="surrogateescape")[:15],
    )


@syscall(51, "filename:path")
def sys_acct(k: Kernel, filename: int) -> int:
    """acct: from now on the processes of the caller's namespace that end are written to a file, or (a null
    name) to none. EPERM without CAP_SYS_PACCT, EACCES for no regular file, EIO, EFAULT, or as open.
    """
    if not capable(k, CAP_SYS_PACCT):
        raise Errno(EPERM)
    ns = task_active_pid_ns(k.current)
    new = None
    if filename:
        file = filp_open(k, getname(k, filename), O_WRONLY | O_APPEND | O_LARGEFILE, 0)
        if file.inode.type != S_IFREG or file.inode.i_mapping is None:
            fput(k, file)
            raise Errno(EACCES if file.inode.type != S_IFREG else EIO)
        new = BsdAcct(file)
    old, ns.bacct = ns.bacct, new
    if old is not None:
        old.close(k, ns)
    return 0
