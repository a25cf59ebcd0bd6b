"""Under gdb: a step's round trip, a long run, and a condition that does not hold."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import LOOP, ROOT, Figure, make_session
from toykernel.gdb.stub import Stub
from toykernel.gdb.target import Target
from toykernel.harness.session import Session

#: Counts up in memory and down in %ecx.
COUNTED = """
.globl _start
_start:
    movl ${count}, %ecx
again:
    incl word
    decl %ecx
    jnz again
done:
    movl $1, %eax
    xorl %ebx, %ebx
    int $0x80
.data
word: .long 0
"""
#: Agent expressions: $ecx == -2, word == -2 (the address follows).
_REGISTER = bytes.fromhex("260001" + "1620" + "22fe1608" + "13" + "27")
_MEMORY = "19" + "1620" + "22fe1608" + "13" + "27"


def remote(divisor: int) -> list[Figure]:
    """With a client in this process, but for the round trip, which is a real gdb's."""
    return [*_round_trip(1000), *_long_run(10**8 // divisor), *_hits(100_000 // divisor)]


def _stub(session: Session) -> Stub:
    stub = Stub(lambda _launch: session, Target(session), lambda: False, lambda _data: None, Target)
    stub.answer(b"qSupported:multiprocess+;swbreak+")
    return stub


def _long_run(cycles: int) -> list[Figure]:
    ratios = []
    for _ in range(3):
        plain = make_session(LOOP)
        start = time.process_time()
        plain.run(cycles)
        without = time.process_time() - start
        stub = _stub(make_session(LOOP))
        stub.target.resumer.max_cycles = cycles
        start = time.process_time()
        stub.answer(b"vCont;c")
        ratios.append((time.process_time() - start) / without)
    return [Figure("gdb: continue, of run's time", statistics.median(ratios), "x", 1.1)]


def _hits(count: int) -> list[Figure]:
    found = []
    for name in ("register", "memory"):
        stub = _stub(make_session(COUNTED, count))
        session = stub.target.session
        code = _REGISTER
        if name == "memory":
            code = bytes.fromhex(f"24{session.address('word'):08x}{_MEMORY}")
        condition = b";X%x,%s" % (len(code), code.hex().encode())
        stub.answer(b"Z0,%x,1%s" % (session.address("again"), condition))
        stub.answer(b"Z0,%x,1" % session.address("done"))
        start = time.process_time()
        answer = stub.answer(b"vCont;c")
        seconds = time.process_time() - start
        if answer != b"T05swbreak:;thread:p2.2;core:0;":
            raise RuntimeError(f"the run ended with {answer!r}")
        figure = f"gdb: a condition of a {name} that does not hold"
        found.append(Figure(figure, seconds * 1e6 / count, "µs", 50))
    return found


def _round_trip(count: int) -> list[Figure]:
    gdb = shutil.which("gdb")
    if gdb is None:
        return []
    serve = f"{sys.executable} -m toykernel.cli.main gdb --stdio userland/infinite_loop.S"
    seconds = []
    for steps in (count // 10, count + count // 10):
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "steps"
            script.write_text(f"set $n = {steps}\nwhile $n\nset $n = $n - 1\nstepi\nend\nkill\n")
            line = [gdb, "-nx", "-q", "-batch", "-ex", "set debuginfod enabled off"]
            line += ["-ex", f"target remote | {serve}", "-x", str(script)]
            start = time.perf_counter()
            subprocess.run(
                line,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=120,
            )
            seconds.append(time.perf_counter() - start)
    return [Figure("gdb: stepi", (seconds[1] - seconds[0]) * 1000 / count, "ms", 3)]
