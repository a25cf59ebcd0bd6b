"""One run of one program: load, run, step, stop, look. What the command line, tests and notebooks
start from; docs/api.md shows how."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import userland
from emu.paging import Walk
from toykernel import run_loop
from toykernel.boot import ENTRY, kernel_source
from toykernel.boot import INIT as INIT_SOURCE
from toykernel.fs.binfmt_elf import usual_bias
from toykernel.harness import notebook
from toykernel.harness.abi_note import profile_for
from toykernel.harness.build import build
from toykernel.harness.images import boot_images, init_program, kernel_program
from toykernel.harness.recipe import PLAIN, STDIN, Recipe, is_source
from toykernel.harness.stripped import without_debug
from toykernel.kernel.signal_types import RLIMIT_STACK
from toykernel.observe.faultlog import FaultLog, FaultRecord
from toykernel.observe.lock_holders import LockHolders
from toykernel.observe.run_stats import RunStats
from toykernel.power_on import power_on
from toykernel.state import Config, Outcome, OutcomeKind
from toykernel.task import TASK_COMM_LEN
from userland.assembler import Program

if TYPE_CHECKING:
    from toykernel.collector import Collector
    from toykernel.harness.breakpoints import Breakpoint, Breakpoints, Hit
    from toykernel.history.moment import Snapshot
    from toykernel.history.pickles import Pickles
    from toykernel.look.image import Image
    from toykernel.look.symbols import Images
    from toykernel.look.task import TaskView
    from toykernel.observe.cow_journal import CowJournal
    from toykernel.observe.process_tree import ProcessTree
    from toykernel.observe.timeline import Timeline
    from toykernel.show.shown import Shown
    from toykernel.state import Kernel
    from toykernel.task import Task

INCLUDE = Path(userland.__file__).parent / "include"


class Session:
    """A booted machine with a program in it; nothing has run yet.

    Guest output is kept in `stdout` and `stderr`, unless `keep_output` is False, and handed to
    `console(fd, data)` as it comes.
    """

    def __init__(
        self,
        path: Path | str,
        args: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
        config: Config | None = None,
        console: Callable[[int, bytes], None] | None = None,
        keep_output: bool = True,
        recipe: Recipe = PLAIN,
        console_read: Callable[[int, int], bytes] | None = None,
    ) -> None:
        """`args` are the program's, without argv[0]; `recipe` says what is linked to it, and how;
        `console_read` is Host.console_read.

        Raises LoadError (CompileError with a compiler's words) or AssemblyError.
        """
        elf, program, said, _ = build(Path(path), recipe)
        #: What a compiler has said of the sources.
        self.said = said
        built = program is not None or is_source(Path(path))
        guest_path = "/" + (Path(path).stem if built else Path(path).name).strip("<>")
        argv = [os.fsencode(guest_path), *(os.fsencode(a) for a in args)]
        envp = [os.fsencode(f"{key}={value}") for key, value in (env or {}).items()]
        guest_files = {**(files or {}), guest_path: without_debug(elf) if built else elf}
        self._set_up(Path(path), elf, program, guest_path, config or Config(), console, keep_output)
        if recipe.stdin is not None:
            self.sources[str(STDIN)] = recipe.stdin.decode("utf-8", "replace")
        self._power_on(guest_files, argv, envp, console_read, recipe.cache)

    def _set_up(
        self,
        path: Path,
        elf: bytes,
        program: Program | None,
        guest_path: str,
        config: Config,
        console: Callable[[int, bytes], None] | None,
        keep_output: bool,
    ) -> None:
        self.path = path
        self.config = replace(config, profile=config.profile or profile_for(elf))
        self.elf = elf
        self.program = program
        #: Text of the program's sources that lie in no file, by the names that its lines have.
        self.sources: dict[str, str] = {}
        #: Is handed what the guest writes: the stream, 1 or 2, and the bytes.
        self.console = console
        self._output = {1: bytearray(), 2: bytearray()} if keep_output else {}
        #: Who runs the machine in place of `run`, a recorder of events: as `run`, without breakpoints.
        self.drive: Callable[[int | None], Outcome] | None = None
        #: What the kernel calls the program: absolute path, and the name of its task.
        self.guest_path = guest_path

    def _power_on(
        self,
        files: dict[str, bytes],
        argv: list[bytes],
        envp: list[bytes],
        console_read: Callable[[int, int], bytes] | None = None,
        cache: bool = True,
    ) -> None:
        self.kernel = power_on(
            files,
            self.guest_path,
            argv,
            envp,
            images=boot_images(self.config, cache=cache),
            config=self.config,
            console=self._write,
            console_read=console_read,
        )
        #: The run's figures, and how the program has ended.
        self.stats = RunStats(self.kernel)
        self._lock_holders = LockHolders(self.kernel)
        self._faults = FaultLog(self.kernel)

    @property
    def guest_comm(self) -> str:
        """The name (comm) of the task that runs the program: at most 15 characters."""
        return self.guest_path[1:TASK_COMM_LEN]

    @property
    def stdout(self) -> bytes:
        """What the guest has written to the console, its descriptor 2 excepted."""
        return bytes(self._output.get(1, b""))

    @property
    def stderr(self) -> bytes:
        """What the guest has written to descriptor 2."""
        return bytes(self._output.get(2, b""))

    def _write(self, fd: int, data: bytes) -> None:
        if self._output:
            self._output[2 if fd == 2 else 1] += data
        if self.console is not None:
            self.console(fd, data)

    # -- running -----------------------------------------------------------------------------------

    def run(self, until: int | None = None) -> Outcome:
        """Run to the end, to a breakpoint (see `hit`), or until the clock shows `until` cycles.

        The outcome's kind is FINISHED, DEADLOCK, LIMIT or BREAKPOINT. Raises KernelOops.
        """
        if self.drive is not None:
            return self._told(self.drive(until))
        if "stops" in self.__dict__:  # also without any: the CPU is to forget those deleted
            return self._told(self.stops.run(until))
        return self._told(run_loop.run(self.kernel, until))

    def step(self) -> Outcome | None:
        """One instruction or one trap; an Outcome when the run is over. Breakpoints do not count.

        Raises KernelOops.
        """
        outcome = run_loop.step(self.kernel)
        return self._told(outcome) if outcome is not None else None

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended; None while it can go on."""
        outcome = self.kernel.outcome
        return self._told(outcome) if outcome is not None else None

    def _told(self, outcome: Outcome) -> Outcome:
        """With what the kernel does not know itself: who holds the locks of a deadlock."""
        if outcome.kind is not OutcomeKind.DEADLOCK:
            return outcome
        return replace(outcome, detail=self._lock_holders.describe_deadlock())

    @cached_property
    def program_image(self) -> Image:
        """Names and source lines of the program alone; for the kernel's and init's, `images`."""
        from toykernel.look.image import Image
        from toykernel.look.symbols import PROGRAM

        if self.program is not None:
            return Image.of_program(PROGRAM, self.program, self.sources)
        init = self.kernel.processes.tasks[0]
        bias = usual_bias(self.elf, init.signal.rlim[RLIMIT_STACK][0])
        return Image.of_elf(PROGRAM, self.elf, bias)

    @cached_property
    def images(self) -> Images:
        """Names and source lines of the program, init and the kernel."""
        from toykernel.look.image import Image
        from toykernel.look.symbols import INIT, KERNEL, Images

        text = kernel_program(self.kernel.host.images.layout)
        kernel = Image.of_program(KERNEL, text, {ENTRY.name: kernel_source()})
        init = Image.of_program(INIT, init_program(), {INIT_SOURCE.name: INIT_SOURCE.read_text()})
        return Images(self.kernel, self.guest_path, self.program_image, kernel, init)

    @cached_property
    def stops(self) -> Breakpoints:
        """All breakpoints, and the run that honours them."""
        from toykernel.harness.breakpoints import Breakpoints

        return Breakpoints(self.kernel, self.images, self._faults)

    def break_at(self, where: str | int, *, temporary: bool = False) -> Breakpoint:
        """Stop a run there: an address, a label of the program or the kernel, `FILE:LINE`,
        `syscall NAME`, `trap N`, `fork`, or `cow`. Raises SymbolError or BreakpointError.

        A label of the program counts only for tasks that run the program.
        """
        return self.stops.add(where, temporary=temporary)

    @property
    def breakpoints(self) -> list[Breakpoint]:
        """The breakpoints that are set, by number."""
        return list(self.stops.all.values())

    def delete(self, number: int) -> None:
        """Take a breakpoint out by its number. Raises BreakpointError."""
        self.stops.delete(number)

    @property
    def hit(self) -> list[Hit]:
        """The breakpoints that ended the last run; empty when something else did."""
        return self.stops.hit

    def address(self, name: str) -> int:
        """Value of a label or constant, `kernel:NAME` for the kernel's. Raises SymbolError."""
        return self.images.value(name)

    # -- going back --------------------------------------------------------------------------------

    @cached_property
    def _pickles(self) -> Pickles:
        from toykernel.history.pickles import Pickles

        return Pickles()

    def snapshot(self) -> Snapshot:
        """This moment, to `restore`. Raises HistoryError for a listener that no snapshot knows."""
        from toykernel.history import moment

        return moment.take(self.kernel, self._output, self._pickles)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back (or forward) to a moment that this session has taken.

        Tasks and other records of the kernel are new objects afterwards. What `console` and the files of
        listeners have been handed stays there. Raises HistoryError.
        """
        from toykernel.history import moment

        moment.put_back(self.kernel, self._output, snapshot)

    def fork(self, console: Callable[[int, bytes], None] | None = None) -> Session:
        """Another session that goes on from this moment; neither notices the other.

        It has the output and the figures so far, the COW journal when there is one, no breakpoints and no
        other listeners. Raises HistoryError for hooks that act on the guest.
        """
        from toykernel.harness import forking

        return forking.fork(self, console)

    def save(self, path: Path | str) -> None:
        """This moment, to a file: with what `fork` takes along. Raises HistoryError."""
        from toykernel.history import savefile

        savefile.write(Path(path), self.moment())

    def moment(self) -> bytes:
        """What `save` writes: this moment as the contents of a file. Raises HistoryError."""
        from toykernel.harness import saved_session

        return saved_session.contents(self)

    @classmethod
    def load(cls, path: Path | str, console: Callable[[int, bytes], None] | None = None) -> Session:
        """A session at a moment that was saved. Nothing in the file is executed but the guest, when it runs.

        Raises HistoryError, in one line, for a file that is damaged, newer, or none of these.
        """
        from toykernel.harness import saved_session

        return saved_session.load(cls, Path(path), console)

    @classmethod
    def _blank(
        cls,
        path: Path,
        elf: bytes,
        program: Program | None,
        guest_path: str,
        config: Config,
        console: Callable[[int, bytes], None] | None,
        keep_output: bool,
    ) -> Session:
        """A session that is about to become another: booted, with nothing in it."""
        session = cls.__new__(cls)
        session._set_up(path, elf, program, guest_path, config, console, keep_output)
        session._power_on({}, [], [])
        return session

    def _own_listeners(self, wanted: Iterable[str] = ()) -> dict[str, Collector]:
        """Those that a copy has too, by name; `wanted` ones are made if they are not there yet."""
        found: dict[str, Collector] = {
            "stats": self.stats,
            "lock_holders": self._lock_holders,
            "faults": self._faults,
        }
        for name in ("images", "cow_journal"):
            if name in self.__dict__ or name in wanted:
                found[name] = getattr(self, name)
        return found

    # -- looking -----------------------------------------------------------------------------------

    @property
    def tasks(self) -> list[TaskView]:
        """Every task that there is, the idle task included, in the order in which they were made."""
        from toykernel.look.task import TaskView

        return [TaskView(self.kernel, task) for task in self.kernel.processes.tasks]

    @property
    def current(self) -> TaskView:
        """The task that the CPU runs."""
        from toykernel.look.task import TaskView

        return TaskView(self.kernel, self.kernel.current)

    def task(self, pid: int) -> TaskView:
        """A task by its number. Raises LookupError."""
        for view in self.tasks:
            if view.pid == pid:
                return view
        raise LookupError(f"no task with pid {pid}")

    def walk(self, pid: int, address: int) -> Walk:
        """What a task's page tables say of a linear address; no bit is set by looking.

        Raises LookupError.
        """
        return self.task(pid).walk(address)

    def read(self, pid: int, address: int, size: int) -> bytes:
        """`size` bytes at a linear address as a task sees them.

        Raises LookupError or UnreadableError.
        """
        return self.task(pid).read(address, size)

    @cached_property
    def cow_journal(self) -> CowJournal:
        """The life of every user frame, from when this is first asked for on;
        always the same journal.
        """
        return self.new_cow_journal()

    def new_cow_journal(self) -> CowJournal:
        """Another journal of the life of every user frame, from now on;
        source lines as the session's.
        """
        from toykernel.observe.cow_journal import CowJournal

        def locate(task: Task, eip: int) -> str:
            place = self.images.place_at(task, eip)
            return f"{place.name}: {place.text.split('#')[0].rstrip()}" if place is not None else ""

        return CowJournal(self.kernel, locate=locate)

    @cached_property
    def process_tree(self) -> ProcessTree:
        """The picture of --process-tree, `svg()`: of what happens from when this is first asked for on."""
        from toykernel.observe.process_tree import ProcessTree

        return ProcessTree(self._unused("process_tree"))

    @cached_property
    def timeline(self) -> Timeline:
        """The events of --timeline, `finish()`: from when this is first asked for on."""
        from toykernel.observe.timeline import Timeline

        return Timeline(self._unused("timeline"))

    def show(self, **limits: Any) -> Shown:
        """The run from this moment to its end as a page, which a notebook shows; `save` writes it. The
        session stays where it is. `limits` as Shown has them: max_events, max_bytes, max_steps, traps.
        """
        from toykernel.show.shown import Shown

        twin = self.fork()
        shown = Shown(twin, **limits)
        twin.run()
        shown.finish()
        return shown

    def _unused(self, what: str) -> Kernel:
        """The kernel, while nothing has run that a listener would not know of; else raises
        ValueError.
        """
        if self.kernel.machine.clock.instructions:
            raise ValueError(f"ask for session.{what} before the first run or step")
        return self.kernel

    def __repr__(self) -> str:
        return f"<{notebook.text(self)}>"

    def _repr_html_(self) -> str:
        return notebook.html(self)

    @property
    def faults(self) -> list[FaultRecord]:
        """The page faults that have been dealt with, the last 4,096 of them."""
        return list(self._faults.records)

    def report(self) -> dict[str, Any]:
        """The figures of the run so far, as `toykernel run --report` writes them."""
        from toykernel.harness.report import make_report
        from toykernel.harness.runner import result_so_far

        return make_report(self, result_so_far(self))
