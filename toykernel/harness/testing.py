"""Assertions about memory for tests of your own programs; each says why it failed.

    from toykernel.testing import boot

    def test_my_program():
        run = boot("prog.S")
        run.until("after_fork")
        run.assert_shared(2, 3, "counter")
        run.finish()
        run.assert_copies("counter")

The pytest plugin (plugin name `toykernel`) gives the same as fixtures: `boot`, and `program` for a program
written in the test itself. Addresses are numbers, labels of the program, or `label+offset`; pids are the
guest's (the program is 2, its first child 3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from emu.paging import PTE_P, PTE_RW
from toykernel.arch.x86.pgtable import get_pte, pte_present
from toykernel.check.invariants import install
from toykernel.harness.runner import Deaths, signal_name
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames, leaked_objects
from toykernel.look.spaces import users
from toykernel.mm.mm_types import MmStruct
from toykernel.observe.cow_journal import COPIED, text
from toykernel.profiles import PROFILES
from toykernel.state import Config, Outcome, OutcomeKind
from toykernel.task import FAULT_KINDS
from userland.assembler import AssemblyError

if TYPE_CHECKING:
    from toykernel.look.task import TaskView

Address = int | str
PAGE = 4096
#: A program that runs longer than this is taken to be caught in a loop.
LIMIT = 100_000_000
#: So many of the last bytes of a program's output are shown when it went wrong.
SHOWN = 400
_LABEL = re.compile(r"(?P<name>[^+]+?)\s*(?:\+\s*(?P<offset>0[xX][0-9a-fA-F]+|[0-9]+))?\Z")


class Run:
    """A program on its machine, and what can be asserted of it. Assertions raise AssertionError."""

    def __init__(self, session: Session, *, check: bool = True, max_cycles: int = LIMIT) -> None:
        """With `check`, the kernel's invariants are looked at after every trap. The clock does not go
        beyond `max_cycles`."""
        self.session = session
        self.max_cycles = max_cycles
        self._deaths = Deaths(session)
        self.journal = session.cow_journal
        self.outcome: Outcome | None = None
        if check:
            install(session.kernel)

    # -- running -----------------------------------------------------------------------------------

    def until(self, where: Address) -> TaskView:
        """Run to a label, an address, `FILE:LINE`, `fork`, `cow`, `syscall NAME`; the task there."""
        __tracebackhide__ = True
        point = self.session.break_at(where, temporary=True)
        outcome = self.session.run(self.max_cycles)
        if outcome.kind is not OutcomeKind.BREAKPOINT:
            self.session.delete(point.number)
            self.outcome = outcome
            self._fail(f"the program did not come to {where}: {self._ending(outcome)}")
        return self.session.task(self.session.hit[0].pid)

    def finish(self) -> Run:
        """Run to the end."""
        __tracebackhide__ = True
        for point in self.session.breakpoints:
            self.session.delete(point.number)
        self.outcome = self.session.run(self.max_cycles)
        if self.outcome.kind is not OutcomeKind.FINISHED:
            self._fail(f"the program did not end: {self._ending(self.outcome)}")
        return self

    def _ending(self, outcome: Outcome) -> str:
        k = self.session.kernel
        if outcome.kind is OutcomeKind.FINISHED:
            code = self.session.stats.program_status or 0
            how = f"it ended with exit status {code >> 8}"
            if code & 0x7F:
                how = f"it was killed by {signal_name(code & 0x7F)} {self._deaths.program}".rstrip()
            for name, said in (
                ("written", self.session.stdout),
                ("complained", self.session.stderr),
            ):
                if said:
                    how += f"\n{name}: {said[-SHOWN:].decode(errors='replace')!r}"
            return how
        if outcome.kind is OutcomeKind.LIMIT:
            return f"it still runs after {self.max_cycles:,} cycles"
        if outcome.kind is OutcomeKind.BREAKPOINT:
            return (
                f"it stands at a breakpoint, pid {k.current.pid} ({k.current.comm}); call finish()"
            )
        return f"{outcome.kind}: {outcome.detail}"

    @property
    def stdout(self) -> bytes:
        """What it has written to standard output so far."""
        return self.session.stdout

    # -- looking -----------------------------------------------------------------------------------

    def address(self, where: Address) -> int:
        """A number, or the value of a label or `label+offset`; a linear address.

        Raises SymbolError.
        """
        if isinstance(where, int):
            return where
        match = _LABEL.match(where)
        assert match is not None
        return self.session.address(match["name"]) + int(match["offset"] or "0", 0)

    def _mm(self, pid: int) -> MmStruct:
        __tracebackhide__ = True
        for task in self.session.kernel.processes.tasks:
            if task.pid == pid:
                if task.mm is None:
                    self._fail(
                        f"pid {pid} has no memory any more: it is in state {task.state_letter}"
                    )
                return task.mm
        alive = ", ".join(str(t.pid) for t in self.session.kernel.processes.tasks if t.pid > 1)
        self._fail(f"there is no pid {pid}; alive: {alive or 'none'}")

    def entry(self, pid: int, where: Address) -> int:
        """The page-table entry of an address, 0 when there is none."""
        __tracebackhide__ = True
        return get_pte(self.session.kernel, self._mm(pid), self.address(where))

    def frame(self, pid: int, where: Address) -> int:
        """The frame behind an address of a task."""
        __tracebackhide__ = True
        pte = self.entry(pid, where)
        if not pte_present(pte):
            self._fail(f"pid {pid} has no page at {self._at(where)}", pid, where)
        return pte >> 12

    def references(self, pid: int, where: Address) -> int:
        """References to the frame behind an address: entries that map it, and the kernel's own."""
        __tracebackhide__ = True
        return self.session.kernel.memory.pages.page_count(self.frame(pid, where))

    def faults(self, pid: int) -> dict[str, int]:
        """A task's page faults by kind, from its last exec on; also of one that has ended."""
        __tracebackhide__ = True
        for record in reversed(self.session.stats.task_records()):
            if record.pid == pid:
                return dict(record.faults)
        self._fail(f"there has been no pid {pid}")

    def copied_pages(self, pid: int | None = None) -> list[int]:
        """Addresses of the pages that were copied on write, by anybody or one task, in order.

        The zero page is no page of the program's: replacing it by a fresh one is not counted.
        """
        zero = self.session.kernel.memory.zero_pfn
        found = dict.fromkeys(
            e.address
            for e in self.journal.events
            if e.event == COPIED and e.frame != zero and pid in (None, e.pid)
        )
        return [address for address in found if address is not None]

    # -- asserting ---------------------------------------------------------------------------------

    def assert_shared(self, pid: int, other: int, where: Address) -> None:
        """Two tasks map one frame at an address."""
        __tracebackhide__ = True
        first, second = self.frame(pid, where), self.frame(other, where)
        if first != second:
            self._fail(
                f"{self._at(where)} is not shared: pid {pid} has frame {first:#x}, "
                f"pid {other} frame {second:#x}", pid, where, other,
            )  # fmt: skip

    def assert_private(self, pid: int, where: Address) -> None:
        """Nobody else maps or holds the frame at an address."""
        __tracebackhide__ = True
        frame, count = self.frame(pid, where), self.references(pid, where)
        if count != 1:
            self._fail(
                f"{self._at(where)} of pid {pid} is not private: frame {frame:#x} has {count} "
                f"references, mapped by {self._mappers(frame)}", pid, where,
            )  # fmt: skip

    def assert_writable(self, pid: int, where: Address) -> None:
        """A page is there, and a write would not fault."""
        __tracebackhide__ = True
        pte = self.entry(pid, where)
        if pte & (PTE_P | PTE_RW) != PTE_P | PTE_RW:
            why = "is read-only" if pte & PTE_P else "is not present"
            self._fail(f"the entry of pid {pid} for {self._at(where)} {why}", pid, where)

    def assert_readonly(self, pid: int, where: Address) -> None:
        """A page is there, and a write would fault."""
        __tracebackhide__ = True
        pte = self.entry(pid, where)
        if pte & (PTE_P | PTE_RW) != PTE_P:
            why = "is writable" if pte & PTE_P else "is not present"
            self._fail(f"the entry of pid {pid} for {self._at(where)} {why}", pid, where)

    def assert_references(self, pid: int, where: Address, count: int) -> None:
        """The frame at an address has so many references, the kernel's own included."""
        __tracebackhide__ = True
        frame, found = self.frame(pid, where), self.references(pid, where)
        if found != count:
            self._fail(
                f"frame {frame:#x} at {self._at(where)} has {found} references, not {count}: "
                f"mapped by {self._mappers(frame)}", pid, where,
            )  # fmt: skip

    def assert_faults(self, pid: int, **kinds: int) -> None:
        """A task has had so many faults of these kinds (not_present, zero_page, cow_copied, …)."""
        __tracebackhide__ = True
        unknown = sorted(set(kinds) - set(FAULT_KINDS))
        if unknown:
            raise ValueError(f"no kind of fault: {', '.join(unknown)}; {', '.join(FAULT_KINDS)}")
        found = self.faults(pid)
        wrong = [f"{kind}: {found[kind]}, not {n}" for kind, n in kinds.items() if found[kind] != n]
        if wrong:
            self._fail(f"faults of pid {pid}: {'; '.join(wrong)}{self._fault_list(pid)}")

    def assert_copies(self, *where: Address, pid: int | None = None) -> None:
        """Exactly these pages were copied on write, by anybody or by one task."""
        __tracebackhide__ = True
        wanted = {self.address(w) & -PAGE for w in where}
        found = set(self.copied_pages(pid))
        missing, extra = sorted(wanted - found), sorted(found - wanted)
        if missing or extra:
            parts = []
            if missing:
                parts.append("not copied: " + ", ".join(self._at(a) for a in missing))
            if extra:
                parts.append("copied as well: " + ", ".join(self._at(a) for a in extra))
            events = [e for e in self.journal.events if e.event == COPIED]
            self._fail("; ".join(parts) + ("\ncopies:\n" + text(events) if events else ""))

    def assert_nothing_leaked(self) -> None:
        """Every frame and every record has somebody who accounts for it."""
        __tracebackhide__ = True
        k = self.session.kernel
        wrong = [f"{n} of {name}" for name, n in leaked_objects(k).items()]
        frames = leaked_frames(k)
        if frames or wrong:
            self._fail(f"leaked: {', '.join([f'{frames} frames', *wrong])}")

    def assert_exit(self, status: int = 0) -> None:
        """The program has ended by itself, with this exit status (0 to 255)."""
        __tracebackhide__ = True
        code = self.session.stats.program_status
        if code != status << 8:
            outcome = self.outcome or Outcome(OutcomeKind.BREAKPOINT)
            self._fail(f"no exit with status {status}: {self._ending(outcome)}")

    # -- explaining --------------------------------------------------------------------------------

    def _at(self, where: Address) -> str:
        address = self.address(where)
        name = where if isinstance(where, str) else self.session.images.program.symbol_at(where)
        return f"{address:#010x}" + (f" ({name})" if name else "")

    def _mappers(self, frame: int) -> str:
        k = self.session.kernel
        names = []
        for ident, address in k.memory.rmap.entries(frame):
            pids = ", ".join(f"pid {t.pid}" for t in users(k, k.memory.mms[ident]))
            names.append(f"{pids or f'mm {ident}'} at {address:#010x}")
        return "; ".join(names) or "nobody"

    def _fault_list(self, pid: int) -> str:
        images = self.session.images
        lines = []
        for fault in self.session.faults:
            if fault.pid == pid:
                place = images.program.place_at(fault.ip)
                at = f" {place.name}: {place.text}" if place is not None else ""
                lines.append(f"  {fault.kind} at {fault.address:#010x}, eip {fault.ip:#010x}{at}")
        return "\n" + "\n".join(lines) if lines else ""

    def _fail(
        self, what: str, pid: int | None = None, where: Address = 0, other: int | None = None
    ) -> NoReturn:
        __tracebackhide__ = True
        story = ""
        if pid is not None:
            pages = {}
            for who in (pid, other):
                if who is not None:
                    pages.update(
                        {(e.cycles, str(e)): e for e in self.journal.at(who, self.address(where))}
                    )
            if pages:
                story = "\nwhat happened there:\n" + text(pages.values())
        raise AssertionError(what + story)


def boot(
    program: Path | str,
    args: Sequence[str] = (),
    *,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    kernel: str | None = None,
    sysctl: Mapping[str, str | int] | None = None,
    files: Mapping[str, bytes] | None = None,
    stdin: bytes | str = b"",
    max_cycles: int = LIMIT,
    **config: Any,
) -> Run:
    """A program ready to run.

    `kernel` and `sysctl` are --kernel and --sysctl; `files` the contents of guest files by absolute path;
    `stdin` what the guest reads from descriptor 0; a run ends after `max_cycles`. `config` are further
    fields of Config: memory, eager_fork, cpu, timing, …
    Raises LoadError, AssemblyError, and TypeError or ValueError for an argument that is wrong.
    """
    __tracebackhide__ = True
    for name, value in (("args", args), ("env", env), ("sysctl", sysctl), ("files", files)):
        kind = Sequence if name == "args" else Mapping
        if value is not None and (not isinstance(value, kind) or isinstance(value, str | bytes)):
            what = "a list of words" if name == "args" else "a dictionary"
            raise TypeError(f"{name} is {what}, not {value!r}")
    _refuse_unknown(config)
    if kernel is not None:
        if kernel not in PROFILES:
            known = ", ".join(PROFILES)
            raise ValueError(f"there is no kernel {kernel!r}; there are {known}")
        config["profile"] = PROFILES[kernel]
    if sysctl:
        config["sysctl"] = tuple((name, str(value)) for name, value in sysctl.items())
    for path, data in (files or {}).items():
        if not isinstance(data, bytes) or not path.startswith("/"):
            raise TypeError(
                f"files has bytes by absolute path, as {{'/etc/motd': b'hi'}}, not {path!r}: {data!r}"
            )
    if not isinstance(max_cycles, int) or max_cycles <= 0:
        raise ValueError(f"max_cycles is a positive number, not {max_cycles!r}")
    config["stdin"] = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        session = Session(program, args, env=env, files=files, config=Config(**config))
    except AssemblyError as error:
        error.add_note(error.report())  # with the hints, and the mistakes after the first
        raise
    return Run(session, check=check, max_cycles=max_cycles)


def _refuse_unknown(config: Mapping[str, Any]) -> None:
    """Raises TypeError for what is no field of Config, and says which name was meant."""
    __tracebackhide__ = True
    known = [field.name for field in fields(Config)]
    mine = ("check", "env", "kernel", "sysctl", "files", "stdin", "max_cycles")
    for name in config:
        if name not in known:
            near = get_close_matches(name, {*known, *mine}, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join((*mine, *known))}"
            raise TypeError(f"boot has no argument {name!r}; {hint}")
