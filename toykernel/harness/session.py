"""One run of one program: load, run, step, stop, look. What the command line, tests and notebooks
start from; docs/api.md shows how."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import userland
from emu.paging import Walk
from toykernel import run_loop
from toykernel.boot import ENTRY, kernel_source
from toykernel.errno import Errno
from toykernel.fs.binfmt_elf import parse_elf
from toykernel.harness.images import boot_images, init_program, kernel_program
from toykernel.observe.faultlog import FaultLog, FaultRecord
from toykernel.observe.lock_holders import LockHolders
from toykernel.observe.run_stats import RunStats
from toykernel.power_on import power_on
from toykernel.state import Config, Outcome, OutcomeKind
from toykernel.task import TASK_COMM_LEN
from userland.assembler import Program, assemble

if TYPE_CHECKING:
    from toykernel.harness.breakpoints import Breakpoint, Breakpoints, Hit
    from toykernel.look.symbols import Images
    from toykernel.look.task import TaskView
    from toykernel.observe.cow_journal import CowJournal
    from toykernel.task import Task

INCLUDE = Path(userland.__file__).parent / "include"


class LoadError(Exception):
    """The program is not one that can be run; the text says why."""


def build(path: Path) -> tuple[bytes, Program | None]:
    """The ELF image of a program, and its assembly when it is a .S source.

    Raises LoadError, or AssemblyError with file and line.
    """
    try:
        if stat.S_ISCHR(path.stat().st_mode) or stat.S_ISBLK(path.stat().st_mode):
            raise LoadError(f"{path}: a device, not a file")
        if path.is_dir():
            raise LoadError(f"{path}: Is a directory, not a program")
        if path.suffix in (".S", ".s", ".asm"):
            program = assemble(path, include=[path.parent, path.parent / "include", INCLUDE])
            return program.elf(), program
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoadError(f"{path}: {reason}") from None
    try:
        parse_elf(data)
    except Errno:
        raise LoadError(f"{path}: {why_refused(data)}") from None
    return data, None


def why_refused(data: bytes) -> str:
    """What an image is that `parse_elf` has refused, and what to have instead."""
    other = "neither assembly source (.S) nor a static i386 ELF"
    if data[:4] != b"\x7fELF" or len(data) < 20:
        return other
    kind, machine = struct.unpack_from("<HH", data, 16)
    if data[4:6] != b"\1\1" or machine not in (3, 6):
        what = "it is an ELF file of another machine; build it for 32 bits: as --32, gcc -m32"
    elif kind == 1:
        what = "it is an object file; link it: ld -m elf_i386"
    elif kind == 3:
        what = "it is position-independent or a library; link it with -static -no-pie"
    elif kind != 2:
        what = "it is not an executable"
    else:
        what = "it is linked dynamically, cut off, or its program headers are wrong"
    return f"{other}: {what}"


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
        console_read: Callable[[int, int], bytes] | None = None,
    ) -> None:
        """`args` are the program's, without argv[0]; `console_read` is Host.console_read.

        Raises LoadError or AssemblyError.
        """
        self.path = Path(path)
        self.config = config or Config()
        elf, self.program = build(self.path)
        self.elf = elf
        self._console = console
        self._output = {1: bytearray(), 2: bytearray()} if keep_output else {}
        #: What the kernel calls the program: absolute path, and the name of its task.
        self.guest_path = "/" + (self.path.stem if self.program else self.path.name)
        self.kernel = power_on(
            {**(files or {}), self.guest_path: elf},
            self.guest_path,
            [os.fsencode(self.guest_path), *(os.fsencode(a) for a in args)],
            [os.fsencode(f"{key}={value}") for key, value in (env or {}).items()],
            images=boot_images(self.config),
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
        """The task's name while it runs the program."""
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
        if self._console is not None:
            self._console(fd, data)

    # -- running -----------------------------------------------------------------------------------

    def run(self, until: int | None = None) -> Outcome:
        """Run to the end, to a breakpoint (see `hit`), or until the clock shows `until` cycles.

        The outcome's kind is FINISHED, DEADLOCK, LIMIT or BREAKPOINT. Raises KernelOops.
        """
        if "stops" in self.__dict__:  # also without any: the CPU is to forget those deleted
            return self._told(self.stops.run(until))
        return self._told(run_loop.run(self.kernel, until))

    def step(self) -> Outcome | None:
        """One instruction or one trap; an Outcome when the run is over. Breakpoints do not count."""
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
    def images(self) -> Images:
        """Names and source lines of the program, init and the kernel."""
        from toykernel.look.symbols import INIT, KERNEL, PROGRAM, Image, Images

        if self.program is not None:
            program = Image.of_program(PROGRAM, self.program)
        else:
            program = Image.of_elf(PROGRAM, self.elf)
        text = kernel_program(self.kernel.host.images.layout)
        kernel = Image.of_program(KERNEL, text, {ENTRY.name: kernel_source()})
        init = Image.of_program(INIT, init_program())
        return Images(self.kernel, self.guest_path, program, kernel, init)

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
        """Those that are set, by number."""
        return list(self.stops.all.values())

    def delete(self, number: int) -> None:
        """Take a breakpoint out. Raises BreakpointError."""
        self.stops.delete(number)

    @property
    def hit(self) -> list[Hit]:
        """The breakpoints that ended the last run."""
        return self.stops.hit

    def address(self, name: str) -> int:
        """Value of a label or constant, `kernel:NAME` for the kernel's. Raises SymbolError."""
        return self.images.value(name)

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
        """What a task's page tables say of a linear address. Raises LookupError."""
        return self.task(pid).walk(address)

    def read(self, pid: int, address: int, size: int) -> bytes:
        """Memory as a task sees it. Raises LookupError or UnreadableError."""
        return self.task(pid).read(address, size)

    @cached_property
    def cow_journal(self) -> CowJournal:
        """The life of every user frame, from when this is first asked for on."""
        return self.new_cow_journal()

    def new_cow_journal(self) -> CowJournal:
        """Another one, from now on; its source lines are the session's."""
        from toykernel.observe.cow_journal import CowJournal

        def locate(task: Task, eip: int) -> str:
            place = self.images.place_at(task, eip)
            return f"{place.name}: {place.text.split('#')[0].rstrip()}" if place is not None else ""

        return CowJournal(self.kernel, locate=locate)

    @property
    def faults(self) -> list[FaultRecord]:
        """The page faults that have been dealt with, the last 4,096 of them."""
        return list(self._faults.records)

    def report(self) -> dict[str, Any]:
        """The figures of the run so far, as `toykernel run --report` writes them."""
        from toykernel.harness.report import make_report
        from toykernel.harness.runner import result_so_far

        return make_report(self, result_so_far(self))
