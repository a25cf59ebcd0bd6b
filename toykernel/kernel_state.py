"""The Kernel: everything it knows, as plain data, and the gate through which the guest calls it.

No Python frame outlives a call through the gate. A function that must wait answers with a Wait record;
the gate puts the task to sleep, switches, and runs what the next task was waiting for in its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn

from sortedcontainers import SortedDict

from emu.engine_quirks import CPU_MODELS
from emu.machine import Event, Machine, Stop
from toykernel import boot
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, PT_REGS
from toykernel.arch.x86.process import account, fpu_area
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.arch.x86.signal import do_notify_resume
from toykernel.arch.x86.thread_info import task_pt_regs
from toykernel.arch.x86.traps import TRAP_HANDLERS, do_IRQ, math_state_restore
from toykernel.errno import Errno
from toykernel.fs.rootfs import mount_root
from toykernel.kernel.exit import do_exit
from toykernel.kernel.fork import schedule_tail
from toykernel.kernel.futex import holder_of
from toykernel.kernel.nsproxy import UtsName
from toykernel.kernel.pid import PidMap, PidNamespace
from toykernel.kernel.sched import core
from toykernel.kernel.sched.runqueue import RunQueue, SchedTunables
from toykernel.kernel.sched.sched_class import SchedClass
from toykernel.kernel.timekeeping import BOOT_EPOCH
from toykernel.kernel.timer import HrTimer, program_timer
from toykernel.kernel.wait import SCHEDULE, Result, Wait, WaitQueue, finish_wait, prepare_to_wait
from toykernel.mm.filemap import AddressSpace
from toykernel.mm.mm_types import MmStruct
from toykernel.mm.page_alloc import PageAllocator
from toykernel.mm.rmap import ReverseMap
from toykernel.mm.slab import KmemCache
from toykernel.oops import KernelOops, oops_report
from toykernel.profiles import DEFAULT_PROFILE, Profile
from toykernel.security import SecurityHooks
from toykernel.stats import RunStats, TaskRecord
from toykernel.syscall_table import SYSCALLS
from toykernel.syscall_table import sys_ni_syscall as ni_syscall
from toykernel.sysctl import set_sysctl
from toykernel.task import Task
from toykernel.timing_costs import COSTS
from toykernel.trace import Tracepoints

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.fs.inode import Inode
    from toykernel.kernel.cred import UserStruct
    from toykernel.kernel.futex import ForkOrigin, FutexQ

CPU_HZ = 33_000_000
HZ = 100
PROGRAM_PID = 2
_ORIG_AX = PT_REGS.index("orig_ax")


@dataclass(frozen=True)
class Config:
    """How a kernel is booted. `memory` in bytes, `rlimit_stack` in bytes."""

    memory: int = 16 << 20
    cpu: str = "max"
    eager_fork: bool = False
    rlimit_stack: int = 8 << 20
    native: bool = True
    timing: str = "off"
    scheduler: str = ""  # "cfs" or "goodness"; "" is the profile's
    profile: Profile = DEFAULT_PROFILE
    stdin: bytes = b""
    sysctl: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Raises TypeError or ValueError for what would only fail deep inside."""
        if not isinstance(self.memory, int):
            raise TypeError(f"memory is a number of bytes, as 16 << 20, not {self.memory!r}")
        if self.cpu not in CPU_MODELS:
            raise ValueError(f"there is no cpu {self.cpu!r}; there are {', '.join(CPU_MODELS)}")


class OutcomeKind(StrEnum):
    """Why a run returned. Each is also its own name as a string."""

    FINISHED = "finished"  # only init is left
    DEADLOCK = "deadlock"  # every task sleeps, and no timer will wake one
    LIMIT = "limit"  # the clock shows what the caller asked for
    EVENT = "event"  # the machine stopped for a debugger, who has not yet said why
    BREAKPOINT = "breakpoint"
    ARRIVED = "arrived"  # at an address that a debugger's command wanted
    PAUSED = "paused"  # by a listener, between two instructions
    INTERRUPTED = "interrupted"  # from outside


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    kind: OutcomeKind
    event: Event | None = None
    detail: str = ""


class Kernel:
    """One kernel on one machine. Two of them live in one process without knowing of each other."""

    def __init__(
        self,
        files: dict[str, bytes],
        program: str,
        argv: list[bytes],
        envp: list[bytes] | None = None,
        *,
        images: boot.BootImages,
        config: Config | None = None,
        console: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """`program` is a path among `files`; `argv` its arguments, argv[0] included. `images` are
        what boots on a machine of this configuration."""
        self.config = config or Config()
        self.images = images
        self.machine = Machine(
            self.config.memory,
            model=self.config.cpu,
            native=self.config.native,
            timing=self.config.timing,
        )
        self._timed = self.machine.clock.counts_cycles
        self.trace = Tracepoints()
        self.console_write = console or (lambda fd, data: None)
        self.cpu_hz = CPU_HZ
        self.hz = HZ
        self.cycles_per_tick = CPU_HZ // HZ
        self.jiffies = 0
        self.next_tick = 0  # in cycles; 0 before the clock is started
        self.timers: SortedDict[tuple[int, int], HrTimer] = SortedDict()
        self.timer_arrivals = 0
        self.wall_offset = BOOT_EPOCH  # CLOCK_REALTIME - CLOCK_MONOTONIC, ns
        self.eager_fork = self.config.eager_fork
        self.rlimit_stack = self.config.rlimit_stack
        self.stack_guard_gap = 256 << 12
        self.pipe_max_size = 1 << 20
        self.mmap_min_addr = 0x10000 >> 4
        self.profile = self.config.profile
        self.fs = mount_root(files)
        self.console_input = bytearray(self.config.stdin)
        self.security = SecurityHooks()
        self.futexes: list[FutexQ] = []
        self.random_state = 0x2545F491
        self.init_argv = [program.encode(errors="surrogateescape"), *argv[1:]]
        self.init_envp = list(envp or [])
        self.log: list[tuple[int, str]] = []

        self.pages = PageAllocator(self.machine.ram)
        self.pages.on_free = self.trace.page_free
        self.pages.charge = self.charge
        self.rmap = ReverseMap()
        self.pins: dict[int, int] = {}  # frames that the kernel holds for later, and how often
        self.mms: dict[int, MmStruct] = {}  # every address space that exists, by number
        self.mappings: dict[int, AddressSpace] = {}  # every object that is mapped, by number
        self.exe_files: dict[int, Inode] = {}  # what each address space executes, by its number
        #: Who had the memory that an address space is a copy of, by its number: for holder_of.
        self.fork_origins: dict[int, tuple[ForkOrigin, ...]] = {}
        self._mapping_count = self._anon_vma_count = 0
        self.init_pid_ns = PidNamespace(0, PidMap(reserved=self.profile.reserved_pids))
        self.pids = self.init_pid_ns.map
        self.tasks: list[Task] = []
        self.nr_threads = 0
        self.total_forks = 0
        self.max_threads = max(self.machine.ram.frames // (8 * 2), 20)
        self.sched_classes: tuple[SchedClass, ...] = ()  # best first; boot chooses them
        self.sched_tunables = SchedTunables()
        self.rq = RunQueue()
        self.stats = RunStats()
        #: Failure injection: told of each step of copy_process before it begins, by number and name;
        #: raises what the step may.
        self.fail_step: Callable[[str, str], None] | None = None
        self.fpu_owner: Task | None = None
        self.active_mm: MmStruct | None = None
        self._mm_count = 0
        self.program_status: int | None = None
        self.outcome: Outcome | None = None

        # Filled in by boot.
        self.symbols: dict[str, int] = {}
        self.swapper_pg_dir = self.gdt = self.tss = self.idt = 0
        self.zero_pfn = self.reserved_end = 0
        self.idle: Task
        self.console_error: File
        self.current: Task
        self.root_user: UserStruct
        boot.setup_machine(self)
        for name, value in self.config.sysctl:
            set_sysctl(self, name, value)
        self._gates = self._make_gates()

    # -- the gate ----------------------------------------------------------------------------------

    def _make_gates(self) -> dict[int, tuple[str, Callable[[], Result | None]]]:
        """By the address behind the thunk's OUT: which function."""
        gates: dict[str, Callable[[], Result | None]] = {
            "start_kernel": lambda: boot.start_kernel(self),
            "schedule": lambda: SCHEDULE,
            "schedule_tail": lambda: schedule_tail(self),
            "do_notify_resume": lambda: do_notify_resume(self),
            "do_IRQ": lambda: do_IRQ(self),
            "do_exit": lambda: do_exit(self, self.machine.cpu.eax & 0xFF00),
            "math_state_restore": lambda: math_state_restore(self),
            "fpu_area": lambda: fpu_area(self),
            "sys_ni_syscall": lambda: self._syscall(None),
        }
        for name in TRAP_HANDLERS:
            gates[name] = lambda handler=TRAP_HANDLERS[name]: self._trap(handler)  # type: ignore[misc]
        for row in SYSCALLS:
            if row.function is not None:
                gates[f"sys_{row.name}"] = lambda number=row.number: self._syscall(number)  # type: ignore[misc]
        return {self.symbols[name] + 2: (name, function) for name, function in gates.items()}

    def gate(self, event: Event) -> None:
        """Run the kernel function behind the thunk that the guest is in."""
        name, function = self._gates[event.address]
        self.charge("call")
        if self.trace.gate:
            self.trace.gate.emit(self.current, name)
        try:
            result = function()
        except Errno as error:
            result = -error.number
        self._return(result)
        if self.trace.to_user:
            self.trace.to_user.emit(self.current)

    def _return(self, result: Result | None) -> None:
        """Hand a result to the guest; while it is a Wait, let others run."""
        if isinstance(result, Wait):
            prepare_to_wait(self, self.current, result)
        while isinstance(result, Wait):
            core.schedule(self)
            if self.current.wait is None:
                return  # it goes on where it was switched away
            result = finish_wait(self, self.current)
        if result is not None:
            self.machine.cpu.eax = result
            self._syscall_done(result)

    def _trap(self, handler: Callable[[Kernel, PtRegs, int], None]) -> None:
        cpu = self.machine.cpu
        handler(self, PtRegs(self.machine.ram, cpu.eax), cpu.edx)

    def _syscall(self, number: int | None) -> Result:
        task = self.current
        words = self.machine.ram.words(task_pt_regs(task.stack) - PAGE_OFFSET, _ORIG_AX + 1)
        asked = task.syscall = words[_ORIG_AX]
        self.charge("system_call")
        if self.trace.sys_enter:
            self.trace.sys_enter.emit(task, asked, words[:6])
        if number is None:
            return ni_syscall(self)
        row = SYSCALLS[number]
        function = row.function
        assert function is not None
        if not row.arguments:
            return function(self)
        return function(self, *[a.decode(w) for a, w in zip(row.arguments, words, strict=False)])

    def _syscall_done(self, result: int) -> None:
        task = self.current
        if task.syscall is None:
            return
        number, task.syscall = task.syscall, None
        self.stats.count_syscall(task, number, result)
        if self.trace.sys_exit:
            self.trace.sys_exit.emit(task, number, result)

    def never_return(self) -> Wait:
        """The answer of a function whose caller is not coming back."""
        self.current.syscall = None
        return SCHEDULE

    # -- running -----------------------------------------------------------------------------------

    def run(self, until: int | None = None) -> Outcome:
        """Run until everything is done, or the clock shows `until` cycles, or a debugger's event."""
        while self.outcome is None:
            event = self.machine.run(until)
            if event.stop is Stop.GATE:  # nearly always
                self.gate(event)
            elif (outcome := self.handle(event)) is not None:
                return outcome
        return self.outcome

    def step(self) -> Outcome | None:
        """One instruction, or one trap; None when there is nothing to tell."""
        if self.outcome is not None:
            return self.outcome
        event = self.machine.step()
        return self.handle(event) or self.outcome

    def handle(self, event: Event) -> Outcome | None:
        """Deal with a machine event; an Outcome when the caller of run should hear of it."""
        match event.stop:
            case Stop.GATE:
                self.gate(event)
                return None
            case Stop.STEP:
                return None
            case Stop.LIMIT:
                return Outcome(OutcomeKind.LIMIT, event)
            case Stop.BREAKPOINT | Stop.TRAP:
                return Outcome(OutcomeKind.EVENT, event)
            case Stop.SHUTDOWN:
                self.panic(f"triple fault at {event.address:#010x}")
            case Stop.BUS_ERROR:
                self.panic(f"page tables lead outside RAM at {event.address:#010x}")
            case _:
                self.panic(f"the machine stopped: {event.stop.value} at {event.address:#010x}")

    def charge(self, work: str, times: int = 1) -> None:
        """The one door for the time that the kernel's own work takes: see timing_costs."""
        if self._timed:
            self.machine.clock.charge(f"kernel {work}", COSTS[work] * times)

    # -- time --------------------------------------------------------------------------------------

    def nothing_runnable(self) -> None:
        """The idle task is to run: will anything ever wake up?"""
        if self.timers:
            program_timer(self, idle=True)
            return
        others = [t for t in self.tasks if t.pid > 1]
        holders = {q.task: text for q in self.futexes if (text := holder_of(self, q))}
        sleepers = ", ".join(
            f"{t.pid} ({t.comm}) in {t.wait.reason}" + (f", {holders[t]}" if t in holders else "")
            for t in others
            if t.wait is not None
        )
        self.outcome = Outcome(OutcomeKind.DEADLOCK, detail=sleepers)

    def leave_idle(self) -> None:
        """Somebody runs again: so do the ticks."""
        program_timer(self)

    # -- what the parts of the kernel share --------------------------------------------------------

    def task_struct_init(self) -> None:
        """The slab caches."""
        self.slabs: dict[str, KmemCache] = {}

        def cache(name: str, size: int, align: int = 16) -> KmemCache:
            self.slabs[name] = KmemCache(self.pages, name, size, align)
            return self.slabs[name]

        self.task_struct_cachep = cache("task_struct", 1024)
        self.signal_cachep = cache("signal_struct", 512)
        self.sighand_cachep = cache("sighand_struct", 1312)
        self.files_cachep = cache("files_struct", 224)
        self.filp_cachep = cache("filp", 128)
        self.fs_cachep = cache("fs_struct", 32)
        self.cred_jar = cache("cred", 128)
        self.uid_cachep = cache("user_struct", 64)
        self.user_ns_cachep = cache("user_namespace", 64)
        self.nsproxy_cachep = cache("nsproxy", 32)
        self.uts_ns_cachep = cache("uts_namespace", 400)
        self.ipc_ns_cachep = cache("ipc_namespace", 256)
        self.mnt_ns_cachep = cache("mnt_namespace", 64)
        self.pid_ns_cachep = cache("pid_namespace", 128)
        self.pid_cachep = cache("pid", 48)
        self.ioc_cachep = cache("io_context", 64)
        self.sem_cachep = cache("sem_array", 128)
        self.sem_undo_list_cachep = cache("sem_undo_list", 32)
        self.pipe_cachep = cache("pipe_inode_info", 96)
        self.mm_cachep = cache("mm_struct", 448)
        self.vm_area_cachep = cache("vm_area_struct", 88, 8)
        self.fpu_cachep = cache("fpu", 512)

    def caches(self) -> tuple[KmemCache, ...]:
        """Every slab cache."""
        return tuple(self.slabs.values())

    def task_pt_regs(self, task: Task) -> PtRegs:
        """pt_regs of the last trap from user mode."""
        return PtRegs(self.machine.ram, task_pt_regs(task.stack))

    def next_mm_ident(self) -> int:
        """A number for a new address space."""
        self._mm_count += 1
        return self._mm_count

    def next_mapping_ident(self) -> int:
        """A number for an object that gets mapped."""
        self._mapping_count += 1
        return self._mapping_count

    def next_anon_vma_ident(self) -> int:
        """A number for a set of areas whose private pages may lie in one area."""
        self._anon_vma_count += 1
        return self._anon_vma_count

    def activate_mm(self, mm: MmStruct) -> None:
        """Run in this address space from now on."""
        self.charge("load_cr3")
        self.machine.load_cr3(mm.pgd)
        self.active_mm = mm
        mm.stale.clear()

    def leave_mm(self) -> None:
        """Run in no user address space."""
        self.charge("load_cr3")
        self.machine.load_cr3(self.swapper_pg_dir)
        self.active_mm = None

    def try_to_wake_up(self, task: Task) -> bool:
        """Wake a sleeping task."""
        return core.try_to_wake_up(self, task)

    @property
    def child_reaper(self) -> Task:
        """init, once there is one."""
        assert self.init_pid_ns.child_reaper is not None
        return self.init_pid_ns.child_reaper

    @property
    def uts(self) -> UtsName:
        """What uname answers to the current task."""
        return self.current.nsproxy.uts_ns.name

    def child_queue(self, task: Task) -> WaitQueue:
        """wait_chldexit: where the threads of a group wait for their children."""
        signal = task.signal
        if signal.wait_chldexit is None:
            signal.wait_chldexit = WaitQueue(f"children of {task.tgid}")
        return signal.wait_chldexit

    def get_random_int(self) -> int:
        """The next number of a generator that starts the same on every boot (xorshift32)."""
        x = self.random_state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self.random_state = x
        return x

    def console_stream(self, file: File) -> int:
        """Which of the host's streams a console file is: 1 or 2."""
        return 2 if file is self.console_error else 1

    # -- counting ----------------------------------------------------------------------------------

    def count_fault(
        self, task: Task, kind: str, address: int, old: int | None = None, new: int | None = None
    ) -> None:
        """One page fault of a kind of the report, by a task (or by the kernel for it)."""
        task.stats.faults[kind] += 1
        task.min_flt += kind != "protection"
        self.stats.count_fault(task, kind)
        if self.trace.fault:
            self.trace.fault.emit(task, kind, address, old, new)

    def count_fork(self, kind: str) -> None:
        """A successful fork, vfork or clone of the current task."""
        self.stats.count_fork(self.current, kind)

    def count_failed_fork(self, error: Errno) -> None:
        """A refused one."""
        self.stats.count_failed_fork(self.current, error.number)

    def exec_done(self, task: Task) -> None:
        """The program's own exec starts the count: what init did for it is not its doing."""
        if task.pid == PROGRAM_PID and not self.stats.started:
            self.stats = RunStats(started=True)

    def record_death(self, task: Task) -> None:
        """A task is released: keep its figures, and the program's exit status."""
        if task.pid == PROGRAM_PID:
            self.program_status = task.exit_code
        self.stats.dead.append(TaskRecord.of(task, task.exit_code))

    def check_finished(self) -> None:
        """A run ends when only init is left."""
        if self.nr_threads == 1:
            self.outcome = Outcome(OutcomeKind.FINISHED)

    def task_records(self) -> list[TaskRecord]:
        """Figures of every task but idle and init, dead or alive, in order of pid."""
        account(self, self.current)
        alive = [TaskRecord.of(t, None) for t in self.tasks if t.pid > 1]
        return sorted([*self.stats.dead, *alive], key=lambda record: (record.pid, record.order))

    # -- trouble -----------------------------------------------------------------------------------

    def printk(self, text: str) -> None:
        """A line of the kernel's log."""
        self.log.append((self.machine.clock.cycles, text))

    def die(self, what: str, regs: PtRegs, error_code: int) -> NoReturn:
        """An oops: the kernel itself went wrong."""
        self.printk(what)
        raise KernelOops(oops_report(self, what, regs, error_code))

    def panic(self, what: str) -> NoReturn:
        """The kernel cannot go on."""
        self.printk(f"Kernel panic - not syncing: {what}")
        cpu = self.machine.cpu
        frame = PtRegs(self.machine.ram, max(cpu.esp, PAGE_OFFSET))
        raise KernelOops(oops_report(self, f"Kernel panic - not syncing: {what}", frame, None))
