"""Every call of the i386 table, with thousands of arguments, as this machine's strace writes it.

One program makes the calls natively, where strace keeps the kernel out of it and injects the result; ours
gets the same registers, the same memory and the same results. What a call is given is drawn from a pool:
numbers, single bits, good and bad pointers to texts and structures.
"""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest
from native_strace import skip_unless_strace
from strace_calls import Calls, build, line_of

from toykernel.harness.session import Session
from toykernel.observe.decoding.names_ioctl import REQUESTS
from toykernel.observe.strace import Strace
from toykernel.syscall_table import BY_NAME, SYSCALLS

LAST = BY_NAME["set_mempolicy_home_node"].number  # of the calls that strace 6.1 knows
ROUNDS = 24  # how often each call is made
#: What is injected, and the result that our kernel would give.
RESULTS = (("error=ENOSYS", -38), ("error=512", -512), ("retval=0", 0), ("retval=5", 5))

#: Calls whose structures we show by their address, or where what is shown depends on the machine.
NOT_COMPARED = {
    **dict.fromkeys(("bpf", "io_uring_register"), "no kernel here has them"),
    **dict.fromkeys(
        ("sigreturn", "rt_sigreturn"), "they tell of the stack; userland's programs do"
    ),
}
_TRACES = (
    0,
    1,
    2,
    4,
    5,
    7,
    8,
    9,
    12,
    13,
    14,
    15,
    16,
    17,
    24,
    31,
    32,
    33,
    0x4200,
    0x4201,
    0x4202,
    0x4203,
)
_TTY = 0x54  # the type of a terminal's requests
#: Calls of which one word is a command, and those of its values that are compared: of ioctl terminals' and
#: such without a name, of keyctl those without cryptography, of quotactl those that are not XFS's own, of
#: ptrace those that show no struct user, which has another layout for a strace of 64 bits.
COMMANDS = {
    "ioctl": (
        1,
        (
            *(n for n, _ in REQUESTS.values if n >> 8 & 0xFF == _TTY),
            0x80081234,
            0x7777,
            0xC0101111,
        ),
    ),
    "keyctl": (0, (*range(23), 30, 99)),
    "quotactl": (0, (0, 0x80000100, 0x80000201, 0x80000302, 0x80000777, 0x80000802, 0x80000901)),
    "quotactl_fd": (1, (0, 0x80000100, 0x80000201, 0x80000302, 0x80000777, 0x80000802, 0x80000901)),
    "ptrace": (0, (*_TRACES, 0x4206, 0x4207, 0x4208, 0x4209, 0x420A, 0x420B, 0x9999)),
}
#: Families of addresses that we show as bytes, and protocols of theirs.
_RAW = re.compile(
    r"AF_(?!UNSPEC|UNIX|INET6?\b|NETLINK|\?)\w+|SOL_IPX|SOL_AX25|SOL_\w+, 0x\w+ /\* \w+\?"
)

SELECTS = ("_newselect", "pselect6", "pselect6_time64")
INTEGERS = (
    *(0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 16, 17, 18, 20, 32, 33, 64, 100, 128, 256, 4096, 65535),
    *(0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFF9C, 0x10, 0xDEAD0000),
)


def records(symbols: dict[str, int]) -> Calls:
    """Numbers and registers of the calls."""
    rng = random.Random(6)
    start, end = symbols["zeros"], symbols["table"]
    pointers = [where for where in symbols.values() if start <= where < end]

    counters = [symbols[f"count{n}"] for n in range(7)]

    def word() -> int:
        kind = rng.random()
        if kind < 0.45:
            return rng.choice(pointers)
        if kind < 0.75:
            return rng.choice(INTEGERS)
        return 1 << rng.randrange(32) if kind < 0.9 else rng.randrange(40)

    plain = [[0] * 6, [0xFFFFFFFF] * 6, [1, 2, 3, 4, 5, 6]]
    plain += [[symbols[name]] * 6 for name in ("words", "text", "path")]
    found = []
    for row in SYSCALLS[: LAST + 1]:
        if row.name and row.name not in NOT_COMPARED:
            drawn = [[word() for _ in range(6)] for _ in range(ROUNDS - len(plain))]
            for words in plain + drawn:
                index, choices = COMMANDS.get(row.name, (0, (words[0],)))
                told = [*words[:index], rng.choice(choices), *words[index + 1 :]]
                if row.name == "perf_event_open":
                    told[0] = rng.choice((told[0], *counters))
                if row.name in SELECTS:
                    told[0] %= 200  # descriptors, not a million of them
                found.append((row.number, told))
    return found


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Calls]:
    directory = tmp_path_factory.mktemp("calls")
    skip_unless_strace(directory)
    version = subprocess.run(["strace", "-V"], capture_output=True, text=True, check=True).stdout
    if "version 6.1\n" not in version:
        pytest.skip(f"the forms are those of strace 6.1, not of {version.splitlines()[0]}")
    return build(directory, records)


@pytest.mark.parametrize(("injected", "result"), RESULTS)
def test_every_call_is_written_as_strace_writes_it(
    program: tuple[Path, Calls], injected: str, result: int
) -> None:
    path, calls = program
    native = path.with_name("native")
    subprocess.run(
        ["strace", "-o", str(native), "-e", "signal=none", "-e", f"inject=all:{injected}", f"./{path.name}"],
        cwd=path.parent, env={"TZ": "UTC"}, capture_output=True, check=False,
    )  # fmt: skip
    lines = native.read_text(errors="surrogateescape").splitlines()[1:]
    theirs = [line_of(line) for line in lines if not line.startswith("+++")]

    written: list[bytes] = []
    session = Session(path)
    Strace(session.kernel, written.append, every_line_has_pid=False)
    while not written:
        session.step()
    task, trace = session.kernel.current, session.kernel.host.trace
    del written[:]
    for number, words in calls:
        trace.sys_enter.emit(task, number, words)
        trace.sys_exit.emit(task, number, result)
    ours = [line_of(x.decode(errors="surrogateescape").rstrip("\n")) for x in written]

    assert len(theirs) == len(ours) == len(calls)
    both = [(a, b) for a, b in zip(ours, theirs, strict=True) if not _RAW.search(b)]
    assert len(both) > 0.98 * len(calls)
    assert [pair for pair in both if pair[0] != pair[1]] == []


def test_what_is_not_compared_are_calls() -> None:
    assert {*NOT_COMPARED, *COMMANDS} <= set(BY_NAME)
