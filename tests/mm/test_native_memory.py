"""Random memory programs: the same results here, on a real 32-bit Linux, and in the model."""

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from memory_model import BASE, PAGE, PAGES, READ, WRITE, Memory

from toykernel.check.invariants import install
from toykernel.harness.session import Session

HERE = Path(__file__).parent
INCLUDE = HERE.parents[1] / "userland" / "include"
END, MMAP, MUNMAP, MPROTECT, MADVISE, STORE, PROBE_READ, PROBE_WRITE = range(8)
MREMAP, MINCORE, FORK, LOAD = range(8, 12)
DONTNEED, DONTFORK, DOFORK = 4, 10, 11
ENOMEM = -12
SIGSEGV = 11
STEPS = 120
SEEDS = range(12)


class Author:
    """Writes a table of operations and, from the model, the words that they must answer."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.memory = Memory({})
        self.table: list[int] = []
        self.expected: list[int] = []
        self.forks = 0
        self.value = 0
        self.objects = 0

    def op(self, what: int, *args: int) -> None:
        self.table += [what, *args, *[0] * (3 - len(args))]

    def write(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
        self.op(END)

    def step(self) -> None:
        r, m = self.random, self.memory
        first = r.randrange(PAGES)
        count = min(r.randint(1, 6), PAGES - first)
        address, length = BASE + first * PAGE, count * PAGE
        what = r.choices(
            (MMAP, MUNMAP, MPROTECT, MADVISE, STORE, PROBE_READ, PROBE_WRITE, LOAD),
            (8, 3, 5, 3, 14, 5, 6, 8),
        )[0]
        if what == MMAP:
            prot = r.choice((0, READ, WRITE, READ | WRITE, READ | WRITE))
            shared = r.random() < 0.4
            self.op(MMAP, address, length, prot << 16 | 0x30 | (1 if shared else 2))
            self.objects += 1
            m.map(first, count, prot, self.objects if shared else None)
            self.expected.append(address)
        elif what == MUNMAP:
            self.op(MUNMAP, address, length)
            m.unmap(first, count)
            self.expected.append(0)
        elif what == MPROTECT:
            prot = r.choice((0, READ, WRITE, READ | WRITE))
            self.op(MPROTECT, address, length, prot)
            self.expected.append(0 if m.protect(first, count, prot) else ENOMEM)
        elif what == MADVISE:
            advice = r.choice((DONTNEED, DONTFORK, DOFORK))
            self.op(MADVISE, address, length, advice)
            if advice == DONTNEED:
                ok = m.dontneed(first, count)
            else:
                ok = m.advise_fork(first, count, advice == DONTFORK)
            self.expected.append(0 if ok else ENOMEM)
        elif what == STORE and m.can(first, WRITE):
            self.value += 1
            self.op(STORE, address, self.value)
            m.write(first, self.value)
            self.expected.append(0)
        elif what == LOAD and m.can(first, READ):
            self.op(LOAD, address)
            self.expected.append(m.read(first))
        elif what == PROBE_READ:
            self.op(PROBE_READ, address)
            child = m.fork()
            self.expected.append(
                (child.read(first) & 0xFF) << 8 if child.can(first, READ) else SIGSEGV
            )
        elif what == PROBE_WRITE:
            self.value += 1
            self.op(PROBE_WRITE, address, self.value)
            child = m.fork()
            if child.can(first, WRITE):
                child.write(first, self.value)
                self.expected.append((self.value & 0xFF) << 8)
            else:
                self.expected.append(SIGSEGV)

    @property
    def answer(self) -> bytes:
        return struct.pack(f"<{len(self.expected)}i", *(_signed(w) for w in self.expected))


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word


def source_of(table: list[int], directory: Path) -> Path:
    lines = [f"    .long {', '.join(map(str, table[i : i + 4]))}" for i in range(0, len(table), 4)]
    text = (HERE / "memory_ops.S").read_text() + "\n.data\ntable:\n" + "\n".join(lines) + "\n"
    path = directory / "memory_program.S"
    path.write_text(text)
    return path


def run_here(source: Path, *, check: bool = False) -> bytes:
    session = Session(source)
    if check:
        install(session.kernel)
    assert session.run(100_000_000).kind == "finished"
    assert session.stats.program_status == 0, session.stdout
    return session.stdout


def build_native(source: Path) -> Path:
    if shutil.which("as") is None or shutil.which("ld") is None:
        pytest.skip("no GNU binutils here")
    compiled, program = source.with_suffix(".o"), source.with_suffix("")
    for command in (
        ["as", "--32", "-I", str(INCLUDE), str(source), "-o", str(compiled)],
        ["ld", "-m", "elf_i386", str(compiled), "-o", str(program)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no 32-bit programs here: {done.stderr.strip()}")
    return program


def run_native(program: Path) -> bytes:
    try:
        done = subprocess.run([program], capture_output=True, timeout=20, check=False)
    except OSError as error:
        pytest.skip(f"this machine does not run 32-bit x86 programs: {error}")
    assert done.returncode == 0
    return done.stdout


@pytest.mark.parametrize("seed", SEEDS)
def test_the_model_the_kernel_and_linux_agree(seed: int, tmp_path: Path) -> None:  # K2-K10, K13
    author = Author(seed)
    author.write(STEPS)
    source = source_of(author.table, tmp_path)
    assert run_here(source, check=seed < 3) == author.answer
    assert run_native(build_native(source)) == author.answer


def wild_table(seed: int) -> list[int]:
    """Operations that no model foretells: any order, bad lengths, growing, mincore, real forks."""
    r = random.Random(1000 + seed)
    table: list[int] = []
    forks = 0
    for _ in range(80):
        address = BASE + r.randrange(PAGES) * PAGE
        length = r.choice((0, 1, PAGE - 1, PAGE, 2 * PAGE, 3 * PAGE, 5 * PAGE, 9 * PAGE))
        odd = r.random() < 0.1
        what = r.choice(
            (MMAP, MMAP, MUNMAP, MPROTECT, MADVISE, PROBE_READ, PROBE_WRITE, MREMAP, MINCORE, FORK)
        )
        if what == MMAP:
            flags = r.choice((0x31, 0x32, 0x32, 0x30, 0x33 if odd else 0x32))
            args = [address + odd, length, r.randrange(4) << 16 | flags]
        elif what == MPROTECT:
            args = [address + odd, length, r.choice((0, 1, 2, 3, 7, 16))]
        elif what == MADVISE:
            args = [address + odd, length, r.choice((0, 1, 2, 4, 10, 11, 77))]
        elif what == MREMAP:
            # Shrinking what is not mapped became an error only after 2.6.39: growing, then.
            args = [address + odd, length, (length & -PAGE) + r.choice((2, 3, 5)) * PAGE]
        elif what == MINCORE:
            args = [address + odd, min(length, 16 * PAGE), 0]
        elif what == FORK:
            if forks == 3:
                continue
            forks += 1
            args = [0, 0, 0]
        else:
            args = [address + r.randrange(PAGE - 4), r.randrange(256), 0]
        table += [what, *args]
    return [*table, END, 0, 0, 0]


@pytest.mark.parametrize("seed", range(20))
def test_wild_programs_do_the_same_on_linux(seed: int, tmp_path: Path) -> None:
    source = source_of(wild_table(seed), tmp_path)
    there = run_native(build_native(source))
    here = run_here(source, check=seed < 3)
    words = [struct.unpack(f"<{len(x) // 4}i", x[: len(x) & -4]) for x in (here, there)]
    assert here == there, [
        (n, a, b) for n, (a, b) in enumerate(zip(*words, strict=False)) if a != b
    ][:5]
