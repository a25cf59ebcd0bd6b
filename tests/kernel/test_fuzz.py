"""Wild programs: whatever they do, the kernel goes on, and nothing is left of them.

Random machine code, and storms of system calls with random numbers and arguments. Each has a seed; a
failure names it. Invariants are checked on the way and at the end, time is bounded by a cycle limit.
"""

import random
import struct

import pytest
from elf_image import TEXT, Phdr, R, W, X, elf
from guest import boot_elf

from toykernel import run_loop
from toykernel.check.invariants import check_all
from toykernel.look.frames import leaked_frames
from toykernel.observe.run_stats import RunStats
from toykernel.state import Kernel
from toykernel.syscall_table import SYSCALLS
from toykernel.task import Task

LIMIT = 60_000
DATA = TEXT + 0x10000
STORM_CALLS = 40


def start(image: bytes, seed: int, **config: int) -> Kernel:
    """A machine with an image, invariants checked at some of its traps."""
    k = boot_elf(image, **{"memory": 2 << 20} | config)
    count = seed % 7

    def check(_task: Task) -> None:
        nonlocal count
        count += 1
        if count % 7 == 0:
            check_all(k)

    k.host.trace.to_user.append(check)
    return k


def end(k: Kernel) -> str:
    """Run to the end or the limit, look at what is left; how it ended."""
    kind = run_loop.run(k, LIMIT).kind
    check_all(k)
    assert leaked_frames(k) == 0
    if kind == "finished":
        assert [task.pid for task in k.processes.tasks] == [0, 1]
    else:
        assert kind in ("limit", "deadlock")
    return kind


# -- machine code -------------------------------------------------------------------------------------

#: Pieces that random bytes alone would seldom hit.
PIECES = (
    b"\xcd\x80",  # int $0x80
    b"\xb8\x02\x00\x00\x00\xcd\x80",  # fork
    b"\x9c\x81\x0c\x24%b\x9d",  # pushf; orl $random, (%esp); popf
    b"\x8e\xd8", b"\x8e\xd0", b"\x8e\xe8", b"\x0f\xa1", b"\x1f", b"\x17",  # segment loads
    b"\xcf", b"\xcb", b"\xca\x08\x00", b"\x0f\x34", b"\x0f\x05",  # iret, lret, sysenter, syscall
    b"\xcd%b", b"\xcc", b"\xf1", b"\xce", b"\x0f\x0b", b"\xf4", b"\xfa",
    b"\x0f\x22\xd8", b"\x0f\x20\xc0", b"\x0f\x23\xf8", b"\x0f\x01\x38", b"\x0f\x06",
    b"\xbc%b", b"\x89\xc4", b"\x31\xe4",  # a wild stack pointer
    b"\xe4\x20", b"\xe6\xe9", b"\x6c", b"\xf3\x6f", b"\xee",  # ports, the kernel's gate among them
    b"\xd9\xeb", b"\xdb\xe3", b"\xdd\x20", b"\x0f\xae\x08", b"\x0f\x6f\xc1", b"\x0f\x77",
    b"\x0f\xb9", b"\xf0\x0f\xc7\xc8", b"\xf0\x90", b"\x0f\xff", b"\x82\x00\x00", b"\xd6",
    b"\xf3\xa4", b"\xf3\xab", b"\x60", b"\x61", b"\xc8\xff\xff\x1f", b"\xc9",
    b"\xe8\x00\x00\x00\x00", b"\xeb\xfe", b"\xff\xe0", b"\xff\x2c\x24", b"\x9a%b\x60\x00",
    b"\xc7\x05%b%b", b"\xa1%b", b"\xff\x35%b", b"\x8f\x05%b",
)  # fmt: skip


def wild_code(rng: random.Random, length: int) -> bytes:
    """Bytes of a program: noise, and pieces with noise in their holes."""
    code = bytearray()
    places = (TEXT + 0x10, DATA, 0xBFFFFFF0, 0xC0001000, 0, 0xFFFFFFFC, TEXT + 0xFFE)
    while len(code) < length:
        if rng.random() < 0.4:
            code += rng.randbytes(rng.randrange(1, 8))
            continue
        piece = rng.choice(PIECES)
        for _ in range(piece.count(b"%b")):
            single = piece[:1] == b"\xcd"
            word = struct.pack(
                "<I", rng.choice(places) if rng.random() < 0.5 else rng.getrandbits(32)
            )
            piece = piece.replace(b"%b", word[:1] if single else word, 1)
        code += piece
    return bytes(code)


@pytest.mark.parametrize("block", range(10))
def test_random_bytes_as_programs(block: int) -> None:
    for number in range(25):
        seed = block * 25 + number
        rng = random.Random(seed)
        code = wild_code(rng, 400)
        data = rng.randbytes(0x2000)
        image = elf(Phdr(TEXT, code, flags=R | W | X), Phdr(DATA, data, flags=R | W))
        try:
            end(start(image, seed))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


# -- system calls -------------------------------------------------------------------------------------

#: mov $table, %edi'; for each row of 7 words: load eax ebx ecx edx esi edi ebp, int $0x80; then exit.
LOOP = (
    b"\x8b\x25%b"  # mov cursor, %esp: the table is popped
    b"\x61"  # popal: edi esi ebp (esp) ebx edx ecx eax
    b"\x89\x25%b"  # mov %esp, cursor
    b"\xbc\x00\xf0\xff\xbf"  # a stack again
    b"\xcd\x80"
    b"\x81\x3d%b%b"  # cmpl $end, cursor
    b"\x72%b"  # jb loop
    b"\xb8\x01\x00\x00\x00\xcd\x80"
)
CURSOR = DATA + 0x3000
TABLE = DATA + 0x4000

EXIT_CALLS = frozenset((1, 252))


def storm_image(rng: random.Random, numbers: list[int]) -> bytes:
    """A program that makes random calls, one after another."""
    word = struct.Struct("<I").pack
    end_of_table = TABLE + 32 * STORM_CALLS
    code = LOOP
    for part in (word(CURSOR), word(CURSOR), word(CURSOR), word(end_of_table)):
        code = code.replace(b"%b", part, 1)
    back = -(code.index(b"\x72%b") + 2) & 0xFF
    code = code.replace(b"\x72%b", bytes((0x72, back)))
    rows = b"".join(call_row(rng, numbers) for _ in range(STORM_CALLS))
    data = bytearray(rng.randbytes(0x3000)) + word(TABLE)
    data = data.ljust(0x4000, b"\0") + rows
    return elf(Phdr(TEXT, code), Phdr(DATA, bytes(data), flags=R | W, memsz=0x8000))


def call_row(rng: random.Random, numbers: list[int]) -> bytes:
    """popal's order: edi esi ebp - ebx edx ecx eax."""
    number = rng.choice(numbers) if rng.random() < 0.95 else rng.getrandbits(32)
    return struct.pack("<8I", *(argument(rng) for _ in range(7)), number)


def argument(rng: random.Random) -> int:
    """A value that means something somewhere, or next to one, or nothing at all."""
    bases = (
        *(0, 1, 2, 3, 4, 7, 17, 64, 0x1000, 0x2000, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
        *(TEXT, DATA, DATA + 0x1FF0, DATA + 0x7FFC, DATA + 0x8000, 0xBFFFFFFC, 0xBFFFE000),
        *(0xC0000000, 0xC0001000, 0x40000000, 0xB7000000, 0xFFFFF000, DATA + 0x1000, DATA + 0x100),
    )
    kind = rng.random()
    if kind < 0.7:
        return rng.choice(bases)
    if kind < 0.85:
        return (rng.choice(bases) + rng.randrange(-8, 9)) & 0xFFFFFFFF
    return rng.getrandbits(32) if kind < 0.92 else rng.randrange(300)


@pytest.mark.parametrize("block", range(12))
def test_storms_of_system_calls(block: int) -> None:
    known = [row.number for row in SYSCALLS if row.known and row.number not in EXIT_CALLS]
    every = [row.number for row in SYSCALLS if row.number not in EXIT_CALLS]
    for number in range(25):
        seed = 10_000 + block * 25 + number
        rng = random.Random(seed)
        image = storm_image(rng, known if number % 5 else every)
        k = start(image, seed, memory=rng.choice((1, 2, 4)) << 20)
        try:
            end(k)
        except BaseException as error:
            error.add_note(f"seed {seed}, pid {k.current.pid}, call {k.current.syscall}")
            raise


def test_the_storm_makes_its_calls() -> None:
    """The generator is no dud: every row of the table becomes a call."""
    k = start(storm_image(random.Random(1), [20]), 0)
    stats = RunStats(k)
    end(k)
    calls = sum(count for count, _ in stats.syscalls.values())
    assert calls >= STORM_CALLS
    assert stats.syscalls[20][0] >= STORM_CALLS // 2
