"""The Kernel: everything it knows, as plain data, in records. The kernel's functions are elsewhere."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sortedcontainers import SortedDict

from emu.engine_quirks import CPU_MODELS
from emu.record import dataclass
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.arch.x86.thread_info import task_pt_regs
from toykernel.kernel.sched.runqueue import RunQueue, SchedTunables
from toykernel.mm.mm_types import Idents
from toykernel.mm.page_alloc import PageAllocator
from toykernel.mm.rmap import ReverseMap
from toykernel.mm.slab_caches import SlabCaches
from toykernel.profiles import Profile
from toykernel.timing_costs import PRICES

if TYPE_CHECKING:
    from emu.machine import Event, Machine
    from toykernel.fs.file import File
    from toykernel.fs.fsnotify import FsnotifyTable
    from toykernel.fs.inode import Inode
    from toykernel.fs.rootfs import FileSystems
    from toykernel.fs.super import SuperBlock
    from toykernel.host import Host
    from toykernel.kernel.cred import UserStruct
    from toykernel.kernel.futex import FutexQ
    from toykernel.kernel.keys.key import KeyTable
    from toykernel.kernel.ntp import Ntp
    from toykernel.kernel.pid import PidMap, PidNamespace
    from toykernel.kernel.syslog import LogReaders
    from toykernel.kernel.timer import HrTimer
    from toykernel.mm.filemap import AddressSpace
    from toykernel.mm.mm_types import MmStruct
    from toykernel.net.af_unix import UnixTable
    from toykernel.task import Task
    from toykernel.tty.termios import TtyStruct

CPU_HZ = 33_000_000
HZ = 100


@dataclass(frozen=True)
class Config:
    """How a kernel is booted. `memory` in bytes, `rlimit_stack` in bytes."""

    memory: int = 16 << 20
    cpu: str = "max"
    cpu_hz: int = CPU_HZ  # cycles in a second
    eager_fork: bool = False
    rlimit_stack: int = 8 << 20
    native: bool = True
    timing: str = "off"
    scheduler: str = ""  # "cfs", "goodness" or "schedule"; "" is the profile's
    profile: Profile | None = None  # None: the one that the program asks for
    stdin: bytes = b""
    sysctl: tuple[tuple[str, str], ...] = ()
    #: Directories of the host: there, in the guest, and whether the guest may write to its copy.
    mounts: tuple[tuple[str, str, bool], ...] = ()
    tty: bool = False  # whether the console is a terminal

    def __post_init__(self) -> None:
        """Raises TypeError or ValueError for what would only fail deep inside."""
        if not isinstance(self.memory, int):
            raise TypeError(f"memory is a number of bytes, as 16 << 20, not {self.memory!r}")
        if self.cpu not in CPU_MODELS:
            raise ValueError(f"there is no cpu {self.cpu!r}; there are {', '.join(CPU_MODELS)}")
        if not isinstance(self.cpu_hz, int) or self.cpu_hz < HZ:
            raise ValueError(f"cpu_hz is a number of cycles a second, not {self.cpu_hz!r}")
        if self.profile is not None and not isinstance(self.profile, Profile):
            raise TypeError(
                f"profile is a Profile of toykernel.profiles, not {self.profile!r}; "
                f"by name: PROFILES[{str(self.profile)!r}], or boot(…, kernel={str(self.profile)!r})"
            )
        if self.scheduler not in ("", "cfs", "goodness", "schedule"):
            raise ValueError(
                f"there is no scheduler {self.scheduler!r}; there are cfs, goodness and schedule"
            )
        if not isinstance(self.stdin, bytes):
            raise TypeError(f"stdin is bytes, not {self.stdin!r}")
        if not isinstance(self.sysctl, tuple) or not all(
            isinstance(pair, tuple) and [type(word) for word in pair] == [str, str]
            for pair in self.sysctl
        ):
            raise TypeError(
                f"sysctl is a tuple of (name, value), both text, not {self.sysctl!r}; "
                "boot(…, sysctl={…}) takes a dictionary"
            )


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


@dataclass
class Time:
    """The clocks and what is due; instants of CLOCK_MONOTONIC in ns, unless named otherwise."""

    cpu_hz: int = CPU_HZ
    hz: int = HZ  # ticks a second
    cycles_per_tick: int = CPU_HZ // HZ
    jiffies: int = 0  # ticks since boot
    next_tick: int = 0  # in cycles; 0 before the clock is started
    #: By (expiry, arrival); arrivals count up, so that equal expiries fire in order.
    timers: SortedDict[tuple[int, int], HrTimer] = field(default_factory=SortedDict)
    timer_arrivals: int = 0
    wall_offset: int = 0  # CLOCK_REALTIME - CLOCK_MONOTONIC, ns
    #: What the clocks show while time only passes when everybody waits for it, ns; None: they run.
    stands: int | None = None
    #: Readings of the clock by programs that do little else: how many in a row; when the last was.
    clock_spins: int = 0
    last_reading: int = 0  # instructions since power-on
    ntp: Ntp | None = None  # what adjtimex has set, once somebody asked


@dataclass
class Memory:
    """Frames, address spaces, slab caches, and what is mapped where."""

    pages: PageAllocator
    slabs: SlabCaches = field(default_factory=SlabCaches)
    rmap: ReverseMap = field(default_factory=ReverseMap)
    idents: Idents = field(default_factory=Idents)
    pins: dict[int, int] = field(default_factory=dict)  # frames held for later, and how often
    mms: dict[int, MmStruct] = field(default_factory=dict)  # every address space, by number
    mappings: dict[int, AddressSpace] = field(default_factory=dict)  # mapped objects, by number
    kept: dict[int, AddressSpace] = field(default_factory=dict)  # programs that may run again
    exe_files: dict[int, Inode] = field(default_factory=dict)  # executed, by address space
    active_mm: MmStruct | None = None  # whose tables the CPU uses; None: the kernel's own
    zero_pfn: int = 0  # the frame of zeros that first reads map
    reserved_end: int = 0  # boot keeps the frames below this one
    eager_fork: bool = False  # fork copies pages at once
    stack_guard_gap: int = 256 << 12  # bytes
    mmap_min_addr: int = 0x10000 >> 4  # bytes
    vdso_enabled: int = 0  # vm.vdso_enabled: exec maps the vDSO
    overcommit_memory: int = 0  # vm.overcommit_memory: 0 guess, 1 always, 2 never
    overcommit_ratio: int = 50  # percent of memory, for 2
    max_map_count: int = 65530  # vm.max_map_count: areas of one address space


@dataclass
class Processes:
    """Tasks, their numbers and limits, and who sleeps on a futex."""

    init_pid_ns: PidNamespace
    pids: PidMap  # of init_pid_ns
    max_threads: int
    rlimit_stack: int  # of the first task, bytes
    tasks: list[Task] = field(default_factory=list)  # every task, in order of birth
    nr_threads: int = 0  # without the idle task
    total_forks: int = 0
    futexes: list[FutexQ] = field(default_factory=list)  # who sleeps on a futex, in order
    keys: KeyTable | None = None  # once there has been one
    root_user: UserStruct = field(init=False)


@dataclass
class Scheduler:
    """The run queue, its settings, and the idle task."""

    rq: RunQueue = field(default_factory=RunQueue)
    tunables: SchedTunables = field(default_factory=SchedTunables)
    idle: Task = field(init=False)


@dataclass
class Files:
    """The tree of files, the console, and what was typed but not read."""

    fs: FileSystems
    console_input: bytearray  # standard input that is here and not yet read
    console_reads: int = 0  # how often the host was asked for more
    pipe_max_size: int = 1 << 20  # bytes
    pipe_user_pages_soft: int = (
        1 << 14
    )  # pages of one user's pipes (fs.pipe-user-pages-soft); 0: any
    pipe_user_pages_hard: int = 0
    lease_break_time: int = 45  # seconds (fs.lease-break-time)
    aio_nr: int = (
        0  # requests that contexts were made for, and how many there may be (fs.aio-max-nr)
    )
    aio_max_nr: int = 1 << 16
    legacy_tiocsti: int = 1  # whether any may push characters back (dev.tty.legacy_tiocsti)
    nr_open: int = 1 << 20  # descriptors that a table may have (fs.nr_open)
    #: Who sleeps for a POSIX lock, by pid: whose table of descriptors waits for whose.
    lock_waits: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    #: Slaves, by the st_dev of their devpts and their number there.
    ptys: dict[tuple[int, int], TtyStruct] = field(default_factory=dict)
    console_tty: TtyStruct | None = None  # when the host's input is a terminal
    unix: UnixTable | None = None  # sockets, once there have been any
    anon_inode: Inode | None = None  # of every file without a name of its own, once there is one
    fsnotify: FsnotifyTable | None = None  # who watches files (fs/fsnotify.py), once somebody has
    log_readers: LogReaders | None = None  # once syslog has been called
    eventfd_ids: set[int] = field(default_factory=set)  # of the eventfds that there are
    nsfs: SuperBlock | None = None  # of namespaces as files, once one has been asked for
    console_error: File = field(init=False)  # the open file whose output is the host's stderr


@dataclass
class Arch:
    """What i386 has: physical addresses of the CPU's tables, and whose FPU registers are loaded."""

    swapper_pg_dir: int = 0
    gdt: int = 0
    tss: int = 0
    idt: int = 0
    fpu_owner: Task | None = None
    vdso: AddressSpace | None = None  # its page, and where in it each function is
    vdso_symbols: dict[str, int] = field(default_factory=dict)


class Kernel:
    """One kernel on one machine. What is no data of the guest's is in `host` and `machine`."""

    # Also for speed: once somebody has looked at a __dict__, as who takes a snapshot does, each access to its
    # object takes longer, and there are some in every call.
    __slots__ = (
        *("host", "machine"),
        *("arch", "current", "files", "init_argv", "init_envp", "log", "memory", "outcome"),
        *("processes", "random_state", "sched", "time"),
    )

    def __init__(
        self,
        host: Host,
        machine: Machine,
        fs: FileSystems,
        init_pid_ns: PidNamespace,
        wall_offset: int,
    ) -> None:
        """`wall_offset`: CLOCK_REALTIME at power-on, in ns."""
        config = host.config
        frames = machine.ram.frames
        self.host = host
        self.machine = machine
        self.current: Task  # whom the CPU runs; boot's first task is the idle task
        hz = config.cpu_hz
        self.time = Time(hz, cycles_per_tick=hz // HZ, wall_offset=wall_offset)
        self.memory = Memory(PageAllocator(frames), eager_fork=config.eager_fork)
        self.processes = Processes(
            init_pid_ns, init_pid_ns.map, max(frames // (8 * 2), 20), config.rlimit_stack
        )
        self.sched = Scheduler()
        self.files = Files(fs, bytearray(config.stdin))
        self.arch = Arch()
        self.random_state = 0x2545F491  # of get_random_int
        #: For the program that init executes; argv[0] is its path.
        self.init_argv: list[bytes] = []
        self.init_envp: list[bytes] = []
        self.log: list[tuple[int, str]] = []  # cycle, text
        self.outcome: Outcome | None = None  # once the run is over

    def charge(self, work: str, times: int = 1) -> None:
        """The one door for the time that the kernel's own work takes: see timing_costs."""
        clock = self.machine.clock
        if clock.counts_cycles:
            rule, cost = PRICES[work]
            clock.charge(rule, cost * times)

    def get_random_int(self) -> int:
        """The next of 32 bits (drivers/char/random.c): xorshift32, the same ones after every boot."""
        x = self.random_state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self.random_state = x
        return x

    def task_pt_regs(self, task: Task) -> PtRegs:
        """pt_regs of the last trap from user mode."""
        return PtRegs(self.machine.ram, task_pt_regs(task.stack))

    def try_to_wake_up(self, task: Task) -> bool:
        """Wake a sleeping task; False when it was not asleep."""
        return self.host.try_to_wake_up(self, task)
