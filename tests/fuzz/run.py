"""One case on this machine's own Linux and here, in every way in which it can be run here."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from case import Case, LinuxAuthor, Step

from toykernel.check.invariants import check_all
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames
from toykernel.state import Config

MEMORY = Path("/dev/shm")
NATIVE_SECONDS = 5
LIMIT = 400_000_000  # cycles
#: How a case is run: the first always, the others in turn.
WAYS = {
    "whole": Config(),
    "i486": Config(timing="i486"),
    "hooks in Python": Config(native=False),
    "i486-ideal": Config(timing="i486-ideal"),
    "stopped often": Config(),
    "snapshots": Config(),
}


class NotHere(Exception):
    """This machine builds or runs no 32-bit programs; the message says which."""


@dataclass(frozen=True)
class Difference:
    """A case whose output depends on where it runs."""

    case: Case
    way: str
    words: str


def build(text: str, folder: Path) -> Path:
    """A source as an executable, by GNU tools. Raises NotHere, and ValueError with `as`'s words."""
    source, compiled, program = (folder / name for name in ("case.S", "case.o", "case"))
    source.write_text(text)
    for command in (
        ["as", "--32", str(source), "-o", str(compiled)],
        ["ld", "-m", "elf_i386", str(compiled), "-o", str(program)],
    ):  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise NotHere(f"no `{command[0]}` here: GNU binutils are not installed") from None
        if done.returncode:
            raise ValueError(done.stderr)
    return program


def native(program: Path) -> bytes:
    """What Linux makes of it. Raises NotHere."""
    output = program.with_suffix(".out")
    with output.open("wb") as file:
        try:
            process = subprocess.Popen(
                [program], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL,
                cwd=program.parent, env={}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NotHere(f"this machine does not run 32-bit x86 programs: {error}") from None
        ending = b""
        try:
            process.wait(NATIVE_SECONDS)
        except subprocess.TimeoutExpired:
            ending = b"no end on Linux"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return output.read_bytes() + (ending or _ending(process.returncode))


def _ending(status: int) -> bytes:
    """Of a program that tells nothing more: by subprocess's or wait's status."""
    return b"" if status in (0, -9, 9) else b"ended with %d" % status


def here(program: Path, way: str) -> bytes:
    """What we make of it."""
    session = Session(program, config=WAYS[way])
    if way == "stopped often":
        outcome = None
        for n in range(1, 200):
            outcome = session.run(n * n * 97)
            if outcome.kind != "limit":
                break
        else:
            outcome = session.run(LIMIT)
    elif way == "snapshots":
        assert session.cow_journal.events == []
        session.run(30_000)
        moment = session.snapshot()
        session.run(90_000)
        session.restore(moment)
        outcome = session.run(LIMIT)
    else:
        outcome = session.run(LIMIT)
    check_all(session.kernel)
    if outcome.kind != "finished":
        return session.stdout + f"ended as {outcome.kind}".encode()
    assert leaked_frames(session.kernel) == 0
    return session.stdout + _ending(session.stats.program_status or 0)


def against_linux(
    author: LinuxAuthor, steps: list[Step], ways: list[str]
) -> tuple[str, str] | None:
    """The first way that does not do what Linux does; None when all do. Raises NotHere."""
    # On a file system like ours, in memory, where there is one: others leave more of a write that fails.
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        program = build(author.source(steps), Path(name))
        right = native(program)
        for way in ways:
            try:
                mine = here(program, way)
            except Exception as error:  # an oops, a broken invariant, a fault of ours
                return way, f"{type(error).__name__}: {error}"
            if mine != right:
                return way, author.explain(steps, mine, right)
    return None


def differences(case: Case, ways: list[str]) -> Difference | None:
    """What is wrong with a case, if anything is. Raises NotHere."""
    found = case.author.differs(case.steps, ways)
    return None if found is None else Difference(case, *found)
