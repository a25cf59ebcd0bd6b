"""Broken inputs: none may end in a traceback, a hang, an internal error or a broken invariant.

There is no Linux to ask: what must come is an answer, an outcome of the run or a refusal in words.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import signal
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from case import Step

from toykernel.check.invariants import check_all
from toykernel.cli.group import call
from toykernel.harness.build import build
from toykernel.harness.exit_status import EXIT_BUG
from toykernel.harness.recipe import LoadError
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames
from toykernel.state import Config
from userland.assembler import AssemblyError

USERLAND = Path(__file__).parents[2] / "userland"
CYCLES = 300_000
SECONDS = 20  # and what takes longer hangs
NOISE = (
    '"',
    "'",
    "(",
    ")",
    "%",
    "$",
    ",",
    ":",
    "\\",
    "/*",
    "#",
    ";",
    ".",
    "@",
    "0x",
    "-",
    "<<",
    "\0",
    "é",
)
DIRECTIVES = (
    ".macro", ".endm", ".rept 3", ".rept 99999", ".endr", ".if 1", ".if", ".else", ".endif",
    ".set a, a", ".equ x, 1 / 0", ".org -1", ".align 99", ".space -1", ".fill 1, 9, 9", ".section",
    ".include", ".byte", ".long nothing", ".irp", ".ascii", ".text 9", ".cfi_endproc", ".size",
)  # fmt: skip
NUMBERS = (0, 1, 2, 4, 0x7F, 0x80, 0xFF, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0xFFFFFFFF)
ADDRESSES = (
    0, 1, 4, 0xFFF, 0x1000, 0x08048000, 0x08048FFF, 0x0804A000, 0xBFFFF000, 0xBFFFFFFC, 0xBFFFFFFF,
    0xC0000000, 0xC0001000, 0xFFFFEFFF, 0xFFFFFFFF,
)  # fmt: skip
OPTIONS = (
    "--timing", "--memory", "--cpu", "--kernel", "--profile", "--max-cycles", "--env", "--file",
    "--stdin", "--sysctl", "--fail-nth", "--strace", "--cow", "--trace", "--ftrace", "--summary", "--check",
    "--eager-fork", "--input", "--rlimit-stack", "--scheduler", "--with", "-I", "-D", "--help",
    "--report", "--timeline",
)  # fmt: skip
VALUES = (
    "", "0", "-1", "1", "16M", "99999999999999999999", "1e9", "off", "i486", "486", "2.4.20", "2.6.39",
    "A=B", "=", "a=b=c", "/", "/nothing/here", ".", "%s", "\udc80", "x" * 300, "kernel.pid_max=5",
    "sched=1", ":", "a:b", "fork:1", "--", "-", "\n",
)  # fmt: skip
REGISTERS = ("ebx", "ecx", "edx", "esi", "edi", "ebp")
COMMANDS = ("run", "build", "test", "cycles", "sysctl", "debug", "nothing", "--version", "")


@cache
def programs() -> list[Path]:
    """Sources to break, small ones."""
    return sorted(path for path in USERLAND.glob("*.S") if path.stat().st_size < 4000)


class TooLong(Exception):
    """The case did not end within SECONDS."""


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Raises TooLong in the main thread."""

    def late(_number: int, _frame: object) -> None:
        raise TooLong(f"no end within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Inputs:
    """Steps are changes of one input; the first says which: [what, which program]."""

    name = "inputs"
    length = 12

    def invent(self, r: random.Random, count: int) -> list[Step]:
        what = r.choice(("elf", "elf", "source", "source", "options", "calls"))
        change = getattr(self, f"_{what}")
        return [[what, r.randrange(1 << 16)], *(change(r) for _ in range(r.randint(1, count)))]

    def count(self, steps: list[Step]) -> int:
        return 1

    def _elf(self, r: random.Random) -> Step:
        place = r.randrange(52 + 32 * 4) if r.random() < 0.8 else r.randrange(8192)
        kind = r.choice(("byte", "word", "word", "cut", "grow"))
        return [kind, place, r.choice((r.getrandbits(32), r.choice(NUMBERS)))]

    def _source(self, r: random.Random) -> Step:
        kind = r.choice(("drop", "twice", "swap", "noise", "noise", "directive", "cut"))
        noise = r.choice(DIRECTIVES if kind == "directive" else NOISE)
        return [kind, r.randrange(1 << 16), r.randrange(1 << 16), noise]

    def _options(self, r: random.Random) -> Step:
        return [r.choice(OPTIONS), r.choice(VALUES), r.randrange(3)]

    def _calls(self, r: random.Random) -> Step:
        number = r.randrange(350) if r.random() < 0.9 else r.getrandbits(32)
        return [
            number,
            *(
                r.choice((r.choice(ADDRESSES), r.choice(NUMBERS), r.getrandbits(32)))
                for _ in range(6)
            ),
        ]

    # -- making the input -------------------------------------------------------------------------

    def elf(self, steps: list[Step]) -> bytes:
        """The executable of a program of ours with these changes."""
        image = bytearray(build(self.program(steps))[0])
        for kind, place, value in steps[1:]:
            if kind == "cut":
                del image[place % (len(image) + 1) :]
            elif kind == "grow":
                image += bytes(value & 0xFFFF)
            elif image:
                place %= len(image)
                new = value.to_bytes(4, "little")[: 1 if kind == "byte" else 4]
                image[place : place + len(new)] = new
        return bytes(image)

    def text(self, steps: list[Step]) -> str:
        """The source of a program of ours with these changes."""
        lines = self.program(steps).read_text().splitlines()
        for kind, a, b, noise in steps[1:]:
            if not lines:
                break
            a, b = a % len(lines), b % len(lines)
            if kind == "drop":
                del lines[a]
            elif kind == "twice":
                lines.insert(a, lines[b])
            elif kind == "swap":
                lines[a], lines[b] = lines[b], lines[a]
            elif kind == "cut":
                lines[a] = lines[a][: b % (len(lines[a]) + 1)]
            elif kind == "directive":
                lines.insert(a, noise)
            else:
                at = b % (len(lines[a]) + 1)
                lines[a] = lines[a][:at] + noise + lines[a][at:]
        return "\n".join(lines) + "\n"

    def arguments(self, steps: list[Step]) -> list[str]:
        """A command line."""
        command = COMMANDS[steps[0][1] % len(COMMANDS)]
        words = [command] if command else []
        for option, value, form in steps[1:]:
            words += (
                [f"{option}={value}"] if form == 0 else [option, value] if form == 1 else [value]
            )
        return [*words, str(USERLAND / "hello.S")]

    def program(self, steps: list[Step]) -> Path:
        return programs()[steps[0][1] % len(programs())]

    def source(self, steps: list[Step]) -> str:
        """The input as a person may look at it."""
        what = steps[0][0]
        if what == "source":
            return self.text(steps)
        if what == "calls":
            return self.storm(steps)
        if what == "options":
            return " ".join(map(repr, self.arguments(steps))) + "\n"
        return f"{self.program(steps).name}: {steps[1:]}\n"

    def storm(self, steps: list[Step]) -> str:
        """A program that makes the calls."""
        lines = [".globl _start", "_start:"]
        for number, *arguments in steps[1:]:
            for register, value in zip(
                ("ebx", "ecx", "edx", "esi", "edi", "ebp"), arguments, strict=True
            ):
                lines.append(f"movl ${value:#x}, %{register}")
            lines += [f"movl ${number:#x}, %eax", "int $0x80"]
        return "\n".join(
            [
                *lines,
                "movl $1, %eax",
                "xorl %ebx, %ebx",
                "int $0x80",
                ".data",
                ".fill 4096, 1, 47",
                "",
            ]
        )

    # -- judging ----------------------------------------------------------------------------------

    def differs(self, steps: list[Step], ways: list[str]) -> tuple[str, str] | None:
        """The way of going wrong, and what was seen; None when all is well."""
        if not steps or len(steps[0]) != 2:
            raise ValueError("the first step says what the others change")
        with tempfile.TemporaryDirectory() as name, in_time():
            try:
                return self.judge(steps, Path(name))
            except (LoadError, AssemblyError) as refused:
                return None if str(refused).strip() else ("refusal", "it has no words")
            except Exception as error:
                return "exception", f"{type(error).__name__}: {error}"

    def judge(self, steps: list[Step], folder: Path) -> tuple[str, str] | None:
        what = steps[0][0]
        if what == "options":
            return self.command_line(steps, folder)
        path = folder / ("program" if what == "elf" else "program.S")
        if what == "elf":
            path.write_bytes(self.elf(steps))
        else:
            path.write_text(self.text(steps) if what == "source" else self.storm(steps))
        session = Session(path, config=Config(memory=4 << 20))
        outcome = session.run(CYCLES)
        check_all(session.kernel)
        if outcome.kind == "finished" and leaked_frames(session.kernel):
            return "leak", f"{leaked_frames(session.kernel)} frames are left"
        return None

    def command_line(self, steps: list[Step], folder: Path) -> tuple[str, str] | None:
        arguments = self.arguments(steps)
        if arguments[0] == "run":
            arguments[1:1] = ["--max-cycles", "200000"]
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = call(arguments)
        said = out.getvalue() + err.getvalue()
        if status == EXIT_BUG or re.search("Traceback|internal error", said):
            return "internal error", said[-2000:]
        if not 0 <= status <= 255:
            return "status", str(status)
        return None
