"""The same programs beside us, in the same run: under qemu-i386, where it is installed, and, for loops that
make no calls, on the bare engine with and without an empty block hook, which is the least that counting
blocks costs there."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import TYPE_CHECKING, Any

from bench.figures import (
    FORK,
    GETPID,
    LOOP_AT,
    Figure,
    bare,
    make_session,
    run_to_end,
    timed_passes,
)
from bench.machine import median_of_five
from toykernel.harness.build import build
from toykernel.state import Config

if TYPE_CHECKING:
    from toykernel.task import Task

PROFILES = ("off", "i486-ideal", "i486")
#: Goals of microseconds a call and a fork, where a turn of the reference loop takes 19 ns.
_GETPID = {"off": 3, "i486-ideal": 4, "i486": 5}
_FORK = {"off": 250, "i486-ideal": 320, "i486": 320}
_COW = 25
#: The parent stores into {count} pages, and then its child does.
_COPIES = """
.globl _start
_start:
    call store
    movl $2, %eax
    int $0x80
    testl %eax, %eax
    jz child
    movl %eax, %ebx
    movl $7, %eax
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    jmp quit
child:
    call store
quit:
    movl $1, %eax
    xorl %ebx, %ebx
    int $0x80
store:
    movl $pages, %edx
    movl ${count}, %ecx
again:
    movl %ecx, (%edx)
    addl $4096, %edx
    decl %ecx
    jnz again
    ret
.bss
    .balign 4096
pages: .zero {count} * 4096
"""
#: Three blocks of two to seven instructions, in Intel syntax; EDX counts the passes.
_SHORT = (
    "l: mov eax,[ebx]; add eax,ecx; test eax,1; jz a; nop; a: mov [ebx+4],eax; add esi,eax; "
    "xor edi,esi; inc ecx; test ecx,3; jnz b; nop; b: inc edx; jmp l"
)
_SHORT_GOALS = {"off": None, "i486-ideal": 0.85, "i486": 0.5}


def calls_and_forks(divisor: int) -> list[Figure]:
    """A system call, and a fork with a copied page, an exit and a wait, under every profile."""
    figures = []
    for name, source, count, goals in (
        ("getpid", GETPID, 20_000 // divisor, _GETPID),
        ("fork + cow + exit + wait", FORK, 400 // divisor, _FORK),
    ):
        ours = {}
        for profile in PROFILES:
            config = Config(timing=profile)
            each = ours[profile] = _each(partial(_ours, source, config), count)
            figures.append(Figure(f"{name}: {profile}", each * 1e6, "us", goals[profile]))
        figures += _qemu(name, source, 50 * count, ours["off"])
    return figures


def cow_faults(divisor: int) -> list[Figure]:
    """What one copy on write takes: a child stores into one page after the other."""
    figures = []
    for profile in PROFILES:
        each = median_of_five(partial(_cow_fault, Config(timing=profile), 2000 // divisor))
        figures.append(Figure(f"a COW fault: {profile}", each * 1e6, "us", _COW))
    return figures


def _cow_fault(config: Config, count: int) -> float:
    """CPU seconds from a run's first copy, which is of the stack, to its last, for each page between."""
    session = make_session(_COPIES, count, config)
    times: list[float] = []

    def note(_task: Task, kind: str, *_where: int | None) -> None:
        if kind == "cow_copied":
            times.append(time.process_time())

    session.kernel.host.trace.fault.append(note)
    run_to_end(session)
    if len(times) != count + 1:
        raise RuntimeError(f"{len(times)} pages were copied, not {count + 1}")
    return (times[-1] - times[0]) / count


def short_blocks(divisor: int) -> list[Figure]:
    """Three short blocks a turn, of the bare engine's speed, median of five pairs."""
    seconds = 0.2 / divisor
    figures = []
    for profile in PROFILES:
        ratio = median_of_five(partial(_short_ratio, profile, divisor))
        name = f"three short blocks: {profile} / bare engine"
        figures.append(Figure(name, ratio, "x", _SHORT_GOALS[profile], ">="))
    floor = median_of_five(
        lambda: bare_passes(_SHORT, seconds, hooked=True) / bare_passes(_SHORT, seconds)
    )
    return [*figures, Figure("  the bare engine with an empty block hook", floor, "x")]


def _short_ratio(profile: str, divisor: int) -> float:
    ours = timed_passes(_SHORT, profile, 6_000_000 // divisor)
    return ours / bare_passes(_SHORT, 0.2 / divisor)


def bare_passes(source: str, seconds: float, *, hooked: bool = False) -> float:
    """Passes a second of a loop on the engine alone."""
    from unicorn import x86_const

    engine = bare(source)
    if hooked:
        _empty_block_hook(engine)
    start = time.process_time()
    engine.emu_start(LOOP_AT, 0, timeout=int(seconds * 1e6))
    took = time.process_time() - start
    return int(engine.reg_read(x86_const.UC_X86_REG_EDX)) / took


def _empty_block_hook(engine: Any) -> None:
    from unicorn import UC_HOOK_BLOCK
    from unicorn.unicorn_py3.unicorn import uclib

    nothing = ctypes.cast(ctypes.CDLL(None).getpagesize, ctypes.c_void_p)  # looks at no argument
    handle = ctypes.c_size_t()
    everywhere = (ctypes.c_uint64(1), ctypes.c_uint64(0))
    kind = ctypes.c_int(UC_HOOK_BLOCK)
    if uclib.uc_hook_add(engine._uch, ctypes.byref(handle), kind, nothing, None, *everywhere):
        raise RuntimeError("the engine refuses a block hook")


def _each(seconds: Callable[[int], float], count: int) -> float:
    """Seconds of one round, median of five: of twice as many rounds less those of once."""
    return median_of_five(lambda: (seconds(2 * count) - seconds(count)) / count)


def _ours(source: str, config: Config, count: int) -> float:
    return run_to_end(make_session(source, count, config))[0]


def _qemu(name: str, source: str, count: int, ours: float) -> list[Figure]:
    command = shutil.which("qemu-i386")
    if command is None:
        return []
    with tempfile.TemporaryDirectory() as directory:
        text, program = Path(directory) / "program.S", Path(directory) / "program"

        def seconds(rounds: int) -> float:
            text.write_text(source.replace("{count}", str(rounds)))
            program.write_bytes(build(text).elf)
            program.chmod(0o755)
            before = _children()
            subprocess.run([command, program], check=True)
            return _children() - before

        theirs = _each(seconds, count)
    return [
        Figure(f"  {name}: qemu-i386", theirs * 1e6, "us"),
        Figure("  ours, off / qemu-i386", ours / theirs, "x"),
    ]


def _children() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
