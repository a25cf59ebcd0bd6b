"""The Kernel: everything it knows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

from emu.engine_quirks import CPU_MODELS
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.arch.x86.thread_info import task_pt_regs
from toykernel.kernel.sched.runqueue import RunQueue, SchedTunables
from toykernel.mm.idents import Idents
from toykernel.mm.page_alloc import PageAllocator
from toykernel.mm.rmap import ReverseMap
from toykernel.mm.slab_caches import SlabCaches
from toykernel.profiles import DEFAULT_PROFILE, Profile
from toykernel.timing_costs import COSTS

if TYPE_CHECKING:
    from emu.machine import Event, Machine
    from toykernel.boot import BootImages
    from toykernel.fs.file import File
    from toykernel.fs.inode import Inode
    from toykernel.fs.rootfs import FileSystems
    from toykernel.host import Host
    from toykernel.kernel.cred import UserStruct
    from toykernel.kernel.futex import FutexQ
    from toykernel.kernel.pid import PidNamespace
    from toykernel.kernel.sched.sched_class import SchedClass
    from toykernel.kernel.timer import HrTimer
    from toykernel.mm.filemap import AddressSpace
    from toykernel.mm.mm_types import MmStruct
    from toykernel.security import SecurityHooks
    from toykernel.task import Task
    from toykernel.trace import Tracepoints

CPU_HZ = 33_000_000
HZ = 100


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
    """Why a run stopped: its text is what people and tools are told."""

    FINISHED = "finished"  # only init is left
    DEADLOCK = "deadlock"  # everybody sleeps, and nothing will wake anybody
    LIMIT = "limit"  # the clock shows as many cycles as were asked for
    EVENT = "event"  # the machine met a breakpoint or a trap that somebody set a stop on
    BREAKPOINT = "breakpoint"  # one of the user's was reached
    ARRIVED = "arrived"  # at the end of a debugger's own step
    PAUSED = "paused"  # an observer asked for it
    INTERRUPTED = "interrupted"  # the user wants the prompt back


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `detail` is for people. The kernel itself has FINISHED and DEADLOCK only."""

    kind: OutcomeKind
    event: Event | None = None
    detail: str = ""


class Kernel:
    """One kernel on one machine. What is no data of the guest's is in `host` and `machine`."""

    def __init__(
        self,
        host: Host,
        machine: Machine,
        fs: FileSystems,
        init_pid_ns: PidNamespace,
        wall_offset: int,
    ) -> None:
        """`wall_offset`: see below."""
        config = host.config
        frames = machine.ram.frames
        self.host = host
        self.machine = machine
        self.cpu_hz = CPU_HZ
        self.hz = HZ
        self.cycles_per_tick = CPU_HZ // HZ
        self.jiffies = 0
        self.next_tick = 0  # in cycles; 0 before the clock is started
        self.timers: SortedDict[tuple[int, int], HrTimer] = SortedDict()
        self.timer_arrivals = 0
        self.wall_offset = wall_offset  # CLOCK_REALTIME - CLOCK_MONOTONIC, ns
        self.eager_fork = config.eager_fork
        self.rlimit_stack = config.rlimit_stack
        self.stack_guard_gap = 256 << 12
        self.pipe_max_size = 1 << 20
        self.mmap_min_addr = 0x10000 >> 4
        self.fs = fs
        self.console_input = bytearray(config.stdin)
        self.futexes: list[FutexQ] = []
        self.random_state = 0x2545F491  # where get_random_int is
        #: For the program that init executes; argv[0] is its path.
        self.init_argv: list[bytes] = []
        self.init_envp: list[bytes] = []
        self.log: list[tuple[int, str]] = []  # cycle, text

        self.pages = PageAllocator(frames)
        self.slabs = SlabCaches()
        self.rmap = ReverseMap()
        self.pins: dict[int, int] = {}  # frames that the kernel holds for later, and how often
        self.mms: dict[int, MmStruct] = {}  # every address space that exists, by number
        self.mappings: dict[int, AddressSpace] = {}  # every object that is mapped, by number
        self.exe_files: dict[int, Inode] = {}  # what each address space executes, by its number
        self.idents = Idents()
        self.init_pid_ns = init_pid_ns
        self.pids = self.init_pid_ns.map
        self.tasks: list[Task] = []
        self.nr_threads = 0
        self.total_forks = 0
        self.max_threads = max(frames // (8 * 2), 20)
        self.sched_tunables = SchedTunables()
        self.rq = RunQueue()
        self.fpu_owner: Task | None = None
        self.active_mm: MmStruct | None = None
        self.outcome: Outcome | None = None  # once the run is over

        # Filled in by boot.
        self.swapper_pg_dir = self.gdt = self.tss = self.idt = 0
        self.zero_pfn = self.reserved_end = 0
        self.idle: Task
        self.console_error: File
        self.current: Task
        self.root_user: UserStruct

    @property
    def trace(self) -> Tracepoints:
        """See Host."""
        return self.host.trace

    @property
    def security(self) -> SecurityHooks:
        """See Host."""
        return self.host.security

    @property
    def config(self) -> Config:
        """See Host."""
        return self.host.config

    @property
    def profile(self) -> Profile:
        """See Host."""
        return self.host.profile

    @property
    def symbols(self) -> dict[str, int]:
        """See Host."""
        return self.host.symbols

    @property
    def images(self) -> BootImages:
        """See Host."""
        return self.host.images

    @property
    def sched_classes(self) -> tuple[SchedClass, ...]:
        """See Host."""
        return self.host.sched_classes

    def charge(self, work: str, times: int = 1) -> None:
        """The one door for the time that the kernel's own work takes: see timing_costs."""
        clock = self.machine.clock
        if clock.counts_cycles:
            clock.charge(f"kernel {work}", COSTS[work] * times)

    def task_pt_regs(self, task: Task) -> PtRegs:
        """pt_regs of the last trap from user mode."""
        return PtRegs(self.machine.ram, task_pt_regs(task.stack))

    def try_to_wake_up(self, task: Task) -> bool:
        """Wake a sleeping task; False when it was not asleep."""
        return self.host.try_to_wake_up(self, task)
