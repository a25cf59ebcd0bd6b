"""task_struct: everything the kernel knows of one task, as plain data (include/linux/sched.h)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any

from emu.record import dataclass, twin
from toykernel.kernel.sched.entity import SchedEntity
from toykernel.kernel.signal_types import Pending, SighandStruct, SignalStruct
from toykernel.mm.mm_types import MmStruct

if TYPE_CHECKING:
    from toykernel.fs.exec import Binprm
    from toykernel.fs.file import FilesStruct, FsStruct
    from toykernel.fs.pipe_fs_i import Pipe
    from toykernel.ipc.sem import SemUndoList
    from toykernel.kernel.cred import Cred
    from toykernel.kernel.io_context import IoContext
    from toykernel.kernel.nsproxy import Nsproxy
    from toykernel.kernel.pid import Pid
    from toykernel.kernel.seccomp_filter import SeccompFilter
    from toykernel.kernel.syscall_user_dispatch import UserDispatch
    from toykernel.kernel.wait import Completion, Result, Wait

TASK_COMM_LEN = 16  # with the final zero

TASK_RUNNING = 0
TASK_INTERRUPTIBLE = 1
TASK_UNINTERRUPTIBLE = 2
TASK_STOPPED = 4
EXIT_ZOMBIE = 16
EXIT_DEAD = 32
TASK_WAKEKILL = 128
TASK_KILLABLE = TASK_WAKEKILL | TASK_UNINTERRUPTIBLE
TASK_TRACED = TASK_WAKEKILL | 8
TASK_NEW = 2048

STATE_LETTERS = {
    TASK_RUNNING: "R",
    TASK_INTERRUPTIBLE: "S",
    TASK_UNINTERRUPTIBLE: "D",
    TASK_STOPPED: "T",
    TASK_KILLABLE: "D",
    TASK_TRACED: "t",
    TASK_NEW: "N",
    EXIT_ZOMBIE: "Z",
    EXIT_DEAD: "X",
}

PF_STARTING = 0x00000002
PF_EXITING = 0x00000004
PF_WQ_WORKER = 0x00000020
PF_FORKNOEXEC = 0x00000040
PF_SUPERPRIV = 0x00000100
PF_SIGNALED = 0x00000400
PF_NPROC_EXCEEDED = 0x00001000
PF_KTHREAD = 0x00200000

SIGNAL_STOP_STOPPED = 0x00000001
SIGNAL_STOP_CONTINUED = 0x00000002
SIGNAL_GROUP_EXIT = 0x00000004
SIGNAL_UNKILLABLE = 0x00000040

FAULT_KINDS = ("not_present", "zero_page", "cow_copied", "cow_reused", "protection")


@dataclass
class ThreadStruct:
    """struct thread_struct: where the kernel half of the task goes on."""

    sp: int = 0  # kernel stack pointer while the task is not running
    sp0: int = 0  # top of the kernel stack, for the TSS
    ip: int = 0  # kernel address to go on at
    cr2: int = 0
    error_code: int = 0
    trap_no: int = 0
    fpu: int = 0  # address of the FPU save area; 0 before the first use
    #: Thread-local storage: GDT entries 6 to 8 of this task, as two words each.
    tls_array: tuple[tuple[int, int], ...] = ((0, 0), (0, 0), (0, 0))
    no_tsc: bool = False  # PR_SET_TSC: reading the time-stamp counter is a fault
    #: Addresses in the debug registers that a tracer has set, DR7 as it wrote it, DR6 of the last trap.
    ptrace_bps: tuple[int | None, ...] = (None, None, None, None)
    ptrace_dr7: int = 0
    virtual_dr6: int = 0


@dataclass
class TaskStats:
    """What a task has done since its last exec; page faults by kind."""

    cycles: int = 0
    instructions: int = 0
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULT_KINDS, 0))


class Task:
    """struct task_struct. Two tasks are the same only when they are the same record."""

    def __init__(self, slab: int, stack: int, comm: str) -> None:
        self.slab = slab  # address of the record
        self.stack = stack  # virtual address of the kernel stack, thread_info at its base
        self.state = TASK_RUNNING
        self.exit_state = 0
        self.usage = 2
        self.flags = 0
        self.comm = comm
        self.pid = 0
        self.tgid = 0
        self.group_leader: Task = self
        self.real_parent: Task = self
        self.parent: Task = self
        self.children: list[Task] = []
        self.mm: MmStruct | None = None
        self.active_mm: MmStruct | None = None
        self.thread = ThreadStruct()
        # What can be shared (fork-path G). Boot gives the first task its own; fork does the rest.
        self.signal = SignalStruct(0)
        self.sighand = SighandStruct(0)
        self.files: FilesStruct | None = None  # None once the task has exited
        self.fs: FsStruct | None = None
        self.cred: Cred
        self.nsproxy: Nsproxy
        self.pid_struct: Pid
        self.undo_list: SemUndoList | None = None
        self.io_context: IoContext | None = None
        self.pending: Pending = {}
        self.blocked = 0  # signals as a bit set, bit 0 is signal 1
        self.real_blocked = 0  # what was blocked before rt_sigtimedwait
        self.saved_sigmask: int | None = None  # to be put back on the way to user mode
        self.jobctl = 0  # JOBCTL_: stops and traps that are to come
        self.ptrace = 0  # PT_: how it is traced; 0 is not
        self.ptraced: list[Task] = []  # whom it traces
        self.ptrace_message = 0  # of the event that it stands in
        self.last_siginfo: dict[str, Any] | None = None  # of the ptrace stop that it stands in
        self.restart_block: tuple[Callable[..., Result], tuple[Any, ...]] | None = None
        self.sas_ss_sp = self.sas_ss_size = 0
        self.sas_ss_flags = 0  # SS_AUTODISARM
        self.exit_code = 0
        self.exit_signal = 0
        self.pdeath_signal = 0
        self.did_exec = False
        self.bprm: Binprm | None = None  # the new program, while exec waits for other threads
        self.self_exec_id = self.parent_exec_id = 0
        self.set_child_tid = self.clear_child_tid = 0  # user addresses; 0 is none
        self.vfork_done: Completion | None = None
        self.robust_list = 0
        self.no_new_privs = False
        self.mce_kill = 2  # PR_MCE_KILL_DEFAULT
        self.user_dispatch: UserDispatch | None = None
        self.seccomp_mode = 0
        self.seccomp_filter: SeccompFilter | None = None
        self.rseq: tuple[int, ...] = ()  # address, length and signature of struct rseq
        self.personality = 0
        self.stack_canary = 0
        self.fs_excl = 0
        self.splice_pipe: Pipe | None = None
        self.lock_depth = -1
        self.timer_slack_ns = self.default_timer_slack_ns = 50_000
        self.on_rq = False
        self.se = SchedEntity()
        self.start_time = 0
        self.ran_since = (0, 0)  # cycles and instructions when it was last switched to
        self.utime_ticks = 0
        self.stime_ticks = 0
        self.min_flt = 0  # page faults that were dealt with, since its birth
        self.syscall: int | None = None  # the call it is in
        self.wait: Wait | None = None  # what it sleeps on, and how it goes on
        self.stats = TaskStats()

    def dup(self, slab: int, stack: int) -> Task:
        """A record with the same contents: what it points to is the same, what is embedded its own."""
        new = twin(self)
        new.slab, new.stack = slab, stack
        new.thread = twin(self.thread)
        new.pending = dict(self.pending)
        new.se = self.se.copy()
        new.real_blocked, new.saved_sigmask = 0, None
        new.jobctl = new.ptrace = new.ptrace_message = 0
        new.ptraced, new.last_siginfo, new.restart_block = [], None, None
        new.children = list(self.children)
        new.stats = TaskStats()
        new.wait = new.syscall = new.bprm = None
        return new

    def __repr__(self) -> str:
        return f"<task {self.pid} {self.comm}>"

    @property
    def is_zombie(self) -> bool:
        """Dead, and not yet waited for."""
        return self.exit_state == EXIT_ZOMBIE

    @property
    def is_group_leader(self) -> bool:
        """Whether the task is the first thread of its group, whose number is the group's."""
        return self.group_leader is self

    @property
    def state_letter(self) -> str:
        """The state as ps shows it: one letter of STATE_LETTERS."""
        return STATE_LETTERS[self.exit_state or self.state]
