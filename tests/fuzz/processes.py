"""Random programs of several processes: memory, files, pipes, signals, waits, limits.

Their order is fixed by construction: one process runs at a time, the others wait for a child or are held.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

from case import Step
from run import against_linux

END, CALL, STORE, LOAD, FORK, HOLD, RELEASE, KILL, WAIT, FILL = range(10)
BUFFER, AREA, PAGE = 0x2A000000, 0x30000000, 4096
PAGES = 12
SLOTS = 8
WORDS = 12
SETS = 6
UNMASKED = (1, 2, 3, 10, 12, 13, 14, 15, 17, 23, 28)  # signals that stop nobody; KILL is extra
ACTIONS = ("notes", "resets", "restarts", "masks", "default", "ignore")
NAMES = tuple(f"names + {n}" for n in (0, 3, 6, 9, 11, 16))
CALLS = {
    "read": 3, "write": 4, "open": 5, "close": 6, "link": 9, "unlink": 10, "chdir": 12, "chmod": 15,
    "lseek": 19, "getuid": 24, "access": 33, "mkdir": 39, "rmdir": 40, "dup": 41, "brk": 45, "umask": 60,
    "dup2": 63, "getpgrp": 65, "setrlimit": 75, "getrlimit": 76, "munmap": 91, "getpriority": 96,
    "setpriority": 97, "fstat": 108, "mprotect": 125, "getpgid": 132, "getsid": 147, "msync": 144,
    "mlock": 150, "munlock": 151, "mremap": 163, "rt_sigaction": 174, "rt_sigprocmask": 175,
    "rt_sigpending": 176, "getcwd": 183, "sigaltstack": 186, "mmap2": 192, "mincore": 218, "madvise": 219,
    "fcntl": 221, "pipe2": 331, "prctl": 172, "writev": 146, "readv": 145, "waitid": 284, "dup3": 330,
    "nice": 34, "sched_getscheduler": 157, "sched_get_priority_max": 159, "rename": 38, "symlink": 83,
    "readlink": 85, "ftruncate64": 194, "truncate64": 193, "pread64": 180, "pwrite64": 181, "fchdir": 133,
}  # fmt: skip
BY_NUMBER = {number: name for name, number in CALLS.items()}


class Writer:
    """Writes the steps of one process; those of a child are a list in its parent's step."""

    def __init__(self, r: random.Random, depth: int = 0) -> None:
        self.r = r
        self.depth = depth
        self.rows: list[Step] = []
        self.held: set[int] = set()

    def row(self, op: int, *words: int | str) -> None:
        self.rows.append(_row(op, *words))

    def call(self, name: str, *arguments: int | str, out: int = 0, length: int = 0) -> None:
        padded = [*arguments, *[0] * (6 - len(arguments))]
        self.row(CALL, CALLS[name], *padded, out, length)

    def address(self) -> int:
        return AREA + self.r.randrange(PAGES) * PAGE

    def fd(self) -> int:
        return self.r.choice((3, 4, 5, 6, 7, 8, 9, 10, 3, 4, 5, 6, 77, -1))

    # -- what a row may do --------------------------------------------------------------------------

    def map(self) -> None:
        r = self.r
        length = r.choice((1, PAGE, 2 * PAGE, 3 * PAGE, 5 * PAGE))
        flags = r.choice((0x31, 0x32, 0x32, 0x32, 0x30, 0x33))
        self.call("mmap2", self.address(), length, r.choice((0, 1, 3, 3, 3)), flags, -1, 0)

    def change_map(self) -> None:
        r = self.r
        length = r.choice((0, 1, PAGE, 2 * PAGE, 3 * PAGE, PAGE + 1))
        address = self.address() + r.choice((0, 0, 0, 0, 1))
        kind = r.randrange(6)
        if kind == 0:
            self.call("munmap", address, length)
        elif kind in (1, 2):
            self.call("mprotect", address, length, r.choice((0, 1, 2, 3)))
        elif kind == 3:
            self.call("madvise", address, length, r.choice((0, 1, 4, 4, 10, 11, 77)))
        elif kind == 4:
            old = max(length, PAGE)  # to shrink what is not mapped became an error after 2.6.39
            self.call("mremap", address, old, old + r.choice((1, 2)) * PAGE, 0)
        else:
            self.call("mincore", address, length, BUFFER + 0x8000)

    def touch(self) -> None:
        r = self.r
        address = self.address() + r.choice((0, 0, 4, 0x7FC, PAGE - 4, PAGE - 2))
        if r.random() < 0.6:
            self.row(STORE, 0, address, r.getrandbits(32))
        else:
            self.row(LOAD, 0, address)

    def pipe(self) -> None:
        self.call("pipe2", BUFFER, self.r.choice((0x800, 0x800, 0x80800)), out=BUFFER, length=8)

    def transfer(self) -> None:
        r = self.r
        count = r.choice((0, 1, 10, 100, 2100, 4096, 5000, 9000))
        where = r.choice((BUFFER + 0x1000, BUFFER + 0x1001, BUFFER + 0xF000))
        if r.random() < 0.5:
            # Never all from nowhere: newer kernels grow a file by a write that fails behind its end.
            self.row(FILL, 0, BUFFER + 0x1000, min(count, 6000) or 1, r.randrange(256))
            self.call("write", self.fd(), where, count)
        else:
            self.call(
                "read", self.fd(), where, count, out=BUFFER + 0x1000, length=r.choice((0, 64, 5000))
            )

    def descriptor(self) -> None:
        r = self.r
        kind = r.randrange(7)
        if kind == 0:
            self.call("close", self.fd())
        elif kind == 1:
            self.call("dup", self.fd())
        elif kind == 2:
            self.call("dup2", self.fd(), r.choice((3, 4, 5, 8, 12, -1, 1 << 20)))
        elif kind == 3:
            self.call("fcntl", self.fd(), r.choice((0, 0x406)), r.choice((3, 5, 9, 12)))
        elif kind == 4:
            self.call("fcntl", self.fd(), r.choice((1, 2)), r.randrange(2))
        elif kind == 5:
            self.call("dup3", self.fd(), r.choice((3, 4, 7, 11)), r.choice((0, 0x80000)))
        else:
            self.call(
                "lseek", self.fd(), r.choice((0, 1, 100, 5000, -1, -100)), r.choice((0, 1, 2, 5))
            )

    def file(self) -> None:
        r = self.r
        name = r.choice(NAMES)
        kind = r.randrange(6)
        if kind <= 2:
            flags = r.choice((0, 1, 2, 0x42, 0x42, 0x241, 0xC2, 0x442, 0x10000)) | 0x800
            self.call("open", name, flags, r.choice((0o644, 0o600, 0o400)))
        elif kind == 3:
            self.call("unlink", name)
        elif kind == 4:
            self.call(r.choice(("mkdir", "rmdir")), r.choice(NAMES[2:]), 0o755)
        else:
            self.call("umask", r.choice((0o22, 0, 0o77)))

    def names(self) -> None:
        """Two names, or one and what is told of it."""
        r = self.r
        one, two = r.choice(NAMES), r.choice(NAMES)
        kind = r.randrange(6)
        if kind <= 2:
            self.call(("link", "rename", "symlink")[kind], one, two)
        elif kind == 3:
            out = BUFFER + 0x40
            self.row(FILL, 0, out, 16, 0)
            self.call("readlink", one, out, r.choice((0, 1, 16)), out=out, length=16)
        elif kind == 4:
            self.call("access", one, r.choice((0, 1, 2, 4, 6, 8)))
        else:
            self.call("chmod", one, r.choice((0o644, 0o400, 0o4755, 0)))

    def size(self) -> None:
        r = self.r
        length = r.choice((0, 1, 100, 4095, 4096, 5000, 9000))
        if r.random() < 0.7:
            self.call("ftruncate64", self.fd(), length, 0)
        else:
            self.call("truncate64", r.choice(NAMES), length, 0)

    def places(self) -> None:
        """Transfers of several pieces, and at a place that is named."""
        r = self.r
        out = BUFFER + 0x1000
        count = r.choice((0, 1, 2, 3, 4))
        kind = r.randrange(4)
        self.row(FILL, 0, out, 600, r.randrange(256))
        if kind == 0:
            self.call("writev", self.fd(), "vectors", count)
        elif kind == 1:
            self.call("readv", self.fd(), "vectors", count, out=out, length=600)
        elif kind == 2:
            self.call(
                "pwrite64", self.fd(), out, r.choice((1, 100, 5000)), r.choice((0, 50, 5000)), 0
            )
        else:
            place = r.choice((0, 1, 50, 5000)), r.choice((0, 0, 0, -1))
            self.call("pread64", self.fd(), out, r.choice((0, 1, 100)), *place, out=out, length=100)

    def lock(self) -> None:
        r = self.r
        length = r.choice((1, PAGE, 2 * PAGE))
        self.call(r.choice(("mlock", "munlock")), self.address(), length)
        if r.random() < 0.3:
            self.call("msync", self.address(), length, r.choice((0, 1, 2, 4, 5, 8)))

    def inquire(self) -> None:
        r = self.r
        out = BUFFER + 0x40
        kind = r.randrange(5)
        if kind == 0:
            self.call("getrlimit", r.choice((1, 1, 16, -1)), out, out=out, length=8)
        elif kind == 1:
            self.call("sigaltstack", 0, out, out=out + 4, length=4)
        elif kind == 2:
            self.call("sched_getscheduler", r.choice((0, -1)))
        elif kind == 3:
            self.call("sched_get_priority_max", r.choice((0, 1, 2, 3, 77)))
        else:
            self.call("fcntl", self.fd(), r.choice((3, 1032)))

    def action(self) -> None:
        r = self.r
        self.call(
            "rt_sigaction",
            r.choice((*UNMASKED, 9, 0, 65)),
            r.choice(ACTIONS),
            0,
            r.choice((8, 8, 8, 4)),
        )

    def mask(self) -> None:
        r = self.r
        sets = f"sets + {8 * r.randrange(SETS)}"
        before = BUFFER + 0x28
        self.call("rt_sigprocmask", r.randrange(4), sets, before, 8, out=before, length=8)
        if r.random() < 0.4:
            self.call("rt_sigpending", BUFFER + 0x30, 8, out=BUFFER + 0x30, length=8)

    def send(self) -> None:
        r = self.r
        if self.held and r.random() < 0.6:
            slot = r.choice(sorted(self.held))
            sig = r.choice((*UNMASKED, 9, 0))
            self.row(KILL, 0, slot, sig)
            if sig == 9:  # it dies when it likes, and so does SIGCHLD come: nothing in between
                self.held.discard(slot)
                self.row(RELEASE, 0, slot)
        else:
            self.row(KILL, 0, 0xFF, r.choice((*UNMASKED, 0)))

    def limit(self) -> None:
        if self.r.random() < 0.5:
            self.call("setrlimit", 7, f"descriptors + {8 * self.r.randrange(6)}")
        else:
            self.call("setrlimit", 1, f"sizes + {8 * self.r.randrange(4)}")

    def wait(self) -> None:
        self.row(WAIT, 0, self.r.choice((1, 1, 3, 9, 0x40000001)))

    def fork(self) -> None:
        r = self.r
        if self.depth == 3:
            return
        child = Writer(r, self.depth + 1)
        child.write(r.randrange(2, 14))
        free = [slot for slot in range(2 * self.depth, 2 * self.depth + 2) if slot not in self.held]
        if free and r.random() < 0.6:
            slot = r.choice(free)
            self.rows.append([HOLD, slot, r.randrange(256), child.rows])
            self.held.add(slot)
        else:
            self.rows.append([FORK, 0, r.randrange(256), child.rows])

    def release(self) -> None:
        if self.held:
            slot = self.r.choice(sorted(self.held))
            self.held.discard(slot)
            self.row(RELEASE, 0, slot)

    def write(self, count: int) -> None:
        """Rows of one process, to its end."""
        kinds: tuple[Callable[[], None], ...] = (
            self.map, self.change_map, self.touch, self.pipe, self.transfer, self.descriptor, self.file,
            self.action, self.mask, self.send, self.limit, self.wait, self.fork, self.release,
            self.names, self.size, self.places, self.lock, self.inquire,
        )  # fmt: skip
        weights = (4, 4, 14, 3, 9, 5, 6, 4, 3, 4, 3, 1, 5, 3, 3, 2, 3, 1, 1)
        for _ in range(count):
            self.r.choices(kinds, weights)[0]()


def flat(steps: list[Step], status: int = 0) -> list[Step]:
    """The rows of a process and of its children. Whoever is held in the end is let go."""
    rows: list[Step] = []
    held: dict[int, None] = {}
    for step in steps:
        if step[0] not in (FORK, HOLD):
            rows.append(step)
            continue
        op, slot, code, body = step
        inner = flat(body, code)
        if op == HOLD:
            if slot in held:
                rows.append(_row(RELEASE, 0, slot))
            held[slot] = None
        rows += [_row(op, len(inner), slot), *inner]
    return [*rows, *(_row(RELEASE, 0, slot) for slot in held), _row(END, 0, status)]


def _row(op: int, *words: int | str) -> Step:
    return [op, *words, *[0] * (WORDS - 1 - len(words))]


class Processes:
    """Steps are rows of processes.S."""

    name = "processes"
    length = 120

    def invent(self, r: random.Random, count: int) -> list[Step]:
        writer = Writer(r)
        writer.write(count)
        return writer.rows

    def source(self, steps: list[Step]) -> str:
        text = (Path(__file__).parent / "processes.S").read_text()
        rows = [f".long {', '.join(map(str, row))}" for row in flat(steps)]
        return "\n".join([text, ".data", ".balign 4", "table:", *rows, ""])

    def count(self, steps: list[Step]) -> int:
        return len(flat(steps))

    def differs(self, steps: list[Step], ways: list[str]) -> tuple[str, str] | None:
        return against_linux(self, steps, ways)

    def explain(self, steps: list[Step], here: bytes, there: bytes) -> str:
        rows = flat(steps)
        mine, right = (struct.unpack(f"<{len(x) // 4}I", x[: len(x) & ~3]) for x in (here, there))
        row = 0
        for number, (a, b) in enumerate(zip(mine, right, strict=False)):
            if a != b:
                return (
                    f"row {row}: {describe(rows[row])}\n  word {number}: "
                    f"{a:#x} ({signed(a)}) here, {b:#x} ({signed(b)}) on Linux"
                )
            at, odd = divmod(a & 0x7FFFFFFF, 4 * WORDS)
            if a >> 31 and not odd and at < len(rows):
                row = at
        return f"{len(here)} bytes here, {len(there)} on Linux; equal up to row {row}: {describe(rows[row])}"


def signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def describe(step: Step) -> str:
    """A row in words."""
    if step[0] == CALL:
        arguments = ", ".join(hex(a) if isinstance(a, int) else str(a) for a in step[2:8])
        return f"{BY_NUMBER[step[1]]}({arguments})"
    name = ("end", "", "store", "load", "fork", "hold", "release", "kill", "wait", "fill")[step[0]]
    return f"{name} {' '.join(hex(a) if isinstance(a, int) else str(a) for a in step[1:5])}"
