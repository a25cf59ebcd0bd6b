"""What is measured. Whole commands by the clock on the wall; loops inside this process by the CPU
time that they took, so that other work on the machine counts as little as it can. A loop is measured as
the difference of two lengths where what happens once (assembling, booting) would matter."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emu.machine import Machine
from toykernel.harness import runner
from toykernel.harness.report import make_report
from toykernel.harness.session import Session
from toykernel.state import Config

ROOT = Path(__file__).parent.parent

GETPID = """
.globl _start
_start:
    movl ${count}, %edi
again:
    movl $20, %eax
    int $0x80
    decl %edi
    jnz again
    movl $1, %eax
    xorl %ebx, %ebx
    int $0x80
"""

#: One fork, one page copied on write, an exit and a wait, over and over.
FORK = """
.globl _start
_start:
    movl ${count}, %edi
again:
    movl $2, %eax
    int $0x80
    testl %eax, %eax
    jz child
    movl %eax, %ebx
    movl $7, %eax
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    decl %edi
    jnz again
    movl $1, %eax
    xorl %ebx, %ebx
    int $0x80
child:
    incl word
    movl $1, %eax
    xorl %ebx, %ebx
    int $0x80
.data
word: .long 0
"""

LOOP = """
.globl _start
_start:
    addl $3, %eax
    xorl %eax, %ebx
    incl word
    decl %ecx
    jnz _start
    jmp _start
.data
word: .long 0
"""


@dataclass(frozen=True)
class Figure:
    """One number; `sign` says on which side of the target it has to be."""

    name: str
    value: float
    unit: str
    target: float | None = None
    sign: str = "<="

    @property
    def met(self) -> bool:
        """Whether the target, if there is one, is reached."""
        if self.target is None:
            return True
        return self.value <= self.target if self.sign == "<=" else self.value >= self.target

    def as_dict(self) -> dict[str, object]:
        """The figure for the JSON file, with whether its target is met."""
        return {**asdict(self), "met": self.met}


def make_session(source: str, count: int = 0, config: Config | None = None) -> Session:
    """Of a program's text, in which `{count}` stands for a number; it keeps no output."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "program.S"
        path.write_text(source.replace("{count}", str(count)))
        return Session(path, keep_output=False, config=config)


def run_to_end(session: Session) -> tuple[float, runner.Result]:
    """CPU seconds of a whole run, and how it ended, which must be with status 0."""
    start = time.process_time()
    result = runner.run(session)
    seconds = time.process_time() - start
    if result.status:
        raise RuntimeError(f"the program ended with {result}")
    return seconds, result


def hello(divisor: int) -> list[Figure]:
    """A whole command, beside an interpreter that does nothing."""

    # With compiled modules on disk, as from the second run on.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def best(command: list[str]) -> float:
        times = []
        for _ in range(max(2, 7 // divisor)):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
                env=environment,
            )  # fmt: skip
            times.append(time.perf_counter() - start)
        return min(times)

    seconds = best(["-m", "toykernel.cli.main", "run", "userland/hello.S"])
    return [
        Figure("run hello, start to end", seconds, "s", 0.12),
        Figure("  an empty python, for comparison", best(["-c", "pass"]), "s"),
    ]


def fork(divisor: int) -> list[Figure]:
    """Fork, one copy, exit, wait: per round at three lengths, and what is left behind."""
    figures = []
    resident: list[int] = []
    run_to_end(make_session(FORK, 10))
    for count in (100, 1_000, 10_000 // divisor):
        before = _resident()
        session = make_session(FORK, count)
        seconds, result = run_to_end(session)
        resident.append(_resident() - before)
        figures.append(
            Figure(f"fork + cow + exit + wait, of {count:,}", seconds / count * 1e3, "ms", 1.5)
        )
    report = make_report(session, result)
    if report["forks"]["fork"] != count or report["faults"]["cow_copied"] != count:
        raise RuntimeError(f"not what was to be measured: {report['forks']} {report['faults']}")
    slope = figures[-1].value / figures[-2].value
    return [
        *figures,
        Figure("  longest run against the one before", slope, "x", 1.25),
        Figure("  frames leaked", report["frames"]["leaked"], "frames", 0),
        Figure("  host memory grown by a fork", resident[-1] / count, "bytes", 2048),
    ]


def _resident() -> int:
    """Resident memory of this process, in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def steps(divisor: int) -> list[Figure]:
    """How many single steps the Python interface makes in a second."""
    session = make_session(LOOP)
    session.run(10_000)
    count = 200_000 // divisor
    step = session.step
    start = time.process_time()
    for _ in range(count):
        step()
    seconds = time.process_time() - start
    return [Figure("single steps", count / seconds, "per s", 50_000, ">=")]


def instructions(divisor: int) -> list[Figure]:
    """A computing loop here, and on the bare engine without a single hook."""
    count = 40_000_000 // divisor
    session = make_session(LOOP)
    session.run(100_000)
    start = time.process_time()
    session.run(session.kernel.machine.clock.cycles + count)
    ours = count / (time.process_time() - start)
    bare = _bare_engine(count)
    return [
        Figure("instructions", ours / 1e6, "million/s"),
        Figure("  the bare engine, for comparison", bare / 1e6, "million/s"),
        Figure("  bare / ours", bare / ours, "x"),
    ]


def _bare_engine(count: int) -> float:
    from unicorn import UC_ARCH_X86, UC_MODE_32, Uc
    from unicorn.x86_const import UC_X86_REG_ECX

    # addl $3, %eax; xorl %eax, %ebx; incl 0x3000; decl %ecx; jnz back; nop
    code = bytes.fromhex("83c003 31c3 ff0500300000 49 75f2 90")
    engine = Uc(UC_ARCH_X86, UC_MODE_32)
    engine.mem_map(0x1000, 0x4000)
    engine.mem_write(0x1000, code)
    engine.reg_write(UC_X86_REG_ECX, count // 5)
    start = time.process_time()
    engine.emu_start(0x1000, 0x1000 + len(code) - 1)
    return count / (time.process_time() - start)


#: Intel syntax for raw Keystone. EDX counts passes.
_TIMED_LOOPS = {
    "10 instructions": (
        "l: mov eax,[ebx]; add eax,ecx; mov [ebx+4],eax; push eax; inc edx; test edx,3; jz k; "
        "sub eax,1; k: pop esi; dec ecx; jmp l"
    ),
    "calls": (
        "l: call f; call g; inc edx; jmp l; f: push ebp; mov ebp,esp; mov eax,[ebx]; pop ebp; ret; "
        "g: push ebx; inc eax; pop ebx; ret"
    ),
    "rep": (
        "l: mov ecx,0x40; mov esi,0x20000; mov edi,0x30000; cld; .byte 0xf3,0xa5; mov ecx,0x40; "
        "mov edi,0x30000; .byte 0xf3,0xab; inc edx; jmp l"
    ),
}


#: What each profile has to reach of the bare engine's speed.
_TIMING_TARGETS = {"off": None, "i486-ideal": 0.8, "i486": 0.3}


def timing(divisor: int) -> list[Figure]:
    """The cycle model's price: loops on the bare engine and under each profile, by turns, the best of
    each; and what a new block and a stop at a deadline cost.
    """
    figures = []
    for name, source in _TIMED_LOOPS.items():
        for profile, target in _TIMING_TARGETS.items():
            pairs = [
                (
                    timed_passes(source, profile, 12_000_000 // divisor),
                    _bare_passes(source, 0.2 / divisor),
                )
                for _ in range(max(2, 6 // divisor))
            ]
            ratio = max(ours for ours, _ in pairs) / max(bare for _, bare in pairs)
            figures.append(Figure(f"{name}: {profile} / bare engine", ratio, "x", target, ">="))
        python = timed_passes(source, "i486", 60_000 // divisor, native=False)
        bare = max(bare for _, bare in pairs)
        figures.append(Figure(f"{name}: i486 in Python / bare engine", python / bare, "x"))
    return [*figures, *_new_blocks(), *_deadlines()]


def _new_blocks() -> list[Figure]:
    """The first pass through many different blocks, less the second."""
    count = 2000
    lines = [
        f"b{n}: mov eax,[ebx+{4 * (n % 64)}]; add eax,{n}; mov [ebx+4],eax; push {n}; pop esi; "
        f"test eax,{n + 1}; jz b{n + 1}"
        for n in range(count)
    ]
    source = "; ".join([*lines, f"b{count}: inc edx; jmp b0"])
    figures = []
    for profile in ("off", "i486-ideal", "i486"):
        machine = _timed_machine(source, profile)
        times = []
        for passes in (1, 2):
            start = time.process_time()
            while machine.cpu.edx < passes:
                machine.run(machine.clock.cycles + 500)
            times.append(time.process_time() - start)
        cost = (times[0] - times[1]) / count * 1e6
        figures.append(Figure(f"a new block: {profile}", cost, "us", 50))
    return [*figures, Figure("  of the bare engine", _bare_new_blocks(source, count), "us")]


def _bare_new_blocks(source: str, count: int) -> float:
    engine = bare(source)
    times = []
    for _ in (1, 2):
        start = time.process_time()
        engine.emu_start(LOOP_AT, LOOP_AT + len(_timed_loop(source)) - 5)  # in front of the JMP
        times.append(time.process_time() - start)
    return (times[0] - times[1]) / count * 1e6


def _deadlines() -> list[Figure]:
    """Many stops against one run over the same cycles."""
    count, apart = 2000, 997
    figures = []
    for profile in ("off", "i486-ideal", "i486"):
        machine = _timed_machine(_TIMED_LOOPS["10 instructions"], profile)
        machine.run(10_000)
        times = []
        for steps in (1, count):
            start = time.process_time()
            for _ in range(steps):
                machine.run(machine.clock.cycles + count * apart // steps)
            times.append(time.process_time() - start)
        cost = (times[1] - times[0]) / count * 1e6
        figures.append(Figure(f"a stop at a deadline: {profile}", cost, "us", 50))
    return figures


LOOP_AT, _LOOP_REGISTERS = 0x10000, {"ebx": 0x20000, "esp": 0x40000, "ecx": 0x1000000}


def _timed_loop(source: str) -> bytes:
    from keystone import KS_ARCH_X86, KS_MODE_32, Ks

    return bytes(Ks(KS_ARCH_X86, KS_MODE_32).asm(source, LOOP_AT)[0])


def _timed_machine(source: str, profile: str, *, native: bool = True) -> Machine:
    """A machine in front of such a loop."""
    machine = Machine(1 << 20, timing=profile, native=native)
    machine.ram.write(LOOP_AT, _timed_loop(source))
    for name, value in {**_LOOP_REGISTERS, "eip": LOOP_AT}.items():
        setattr(machine.cpu, name, value)
    return machine


def timed_passes(source: str, profile: str, cycles: int, *, native: bool = True) -> float:
    """Passes a second on a machine."""
    machine = _timed_machine(source, profile, native=native)
    machine.run(2000)
    passes, now = machine.cpu.edx, machine.clock.cycles
    start = time.process_time()
    machine.run(now + cycles)
    return float(machine.cpu.edx - passes) / (time.process_time() - start)


def bare(source: str) -> Any:
    """The engine alone in front of such a loop."""
    from unicorn import UC_ARCH_X86, UC_MODE_32, Uc, x86_const

    engine = Uc(UC_ARCH_X86, UC_MODE_32)
    engine.mem_map(0, 1 << 20)
    engine.mem_write(LOOP_AT, _timed_loop(source))
    for name, value in _LOOP_REGISTERS.items():
        engine.reg_write(getattr(x86_const, f"UC_X86_REG_{name.upper()}"), value)
    return engine


def _bare_passes(source: str, seconds: float) -> float:
    """Passes a second of the same loop on the engine alone, in `seconds` of CPU time."""
    from unicorn import x86_const

    engine = bare(source)
    start = time.process_time()
    engine.emu_start(LOOP_AT, 0, timeout=int(seconds * 1e6))
    took = time.process_time() - start
    return int(engine.reg_read(x86_const.UC_X86_REG_EDX)) / took
