"""What processes cost: a thread, a vfork and a fork side by side, thousands alive at once, a fork bomb, and
switches among few and many. Cycles are those of the profile i486; host time is this process's CPU time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.figures import Figure, run_to_end
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames
from toykernel.state import Config

_HEAD = '.include "linux.inc"\n.include "process.inc"\n.globl _start\n_start:\n'

_WAITED_FOR = """
    movl ${count}, %ebp
again:
    {birth}
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    decl %ebp
    jnz again
    sys_exit $0
child:
    sys_exit $0
"""

#: Each makes {count} children, one after the other, and waits for each.
_BIRTHS = {
    "clone of a thread": """
    movl ${count}, %ebp
again:
    movl $-1, tid
    sys_clone $(CLONE_AS_THREAD | CLONE_CHILD_CLEARTID), $stack_top, $0, $0, $tid
    testl %eax, %eax
    jz child
    js failed
join:
    movl tid, %edx
    testl %edx, %edx
    jz joined
    invoke4 __NR_futex, $tid, $FUTEX_WAIT, %edx, $0
    jmp join
joined:
    decl %ebp
    jnz again
    sys_exit $0
child:
    sys_exit $0
failed:
    sys_exit $1
.data
tid: .long 0
.bss
    .zero 512
stack_top:
""",
    "vfork + exit": _WAITED_FOR.replace("{birth}", "invoke0 190"),
    "fork + exit": _WAITED_FOR.replace("{birth}", "sys_fork"),
}

#: Goals of microseconds, where a turn of the reference loop takes 19 ns; so for switches and pipes below.
_BIRTH_GOALS = {"clone of a thread": 120}
#: A fork that shares 1,000 pages, {count} times.
_LARGE = (
    """
    movl $1000, %ecx
    movl $pages, %edx
touch:
    movl %ecx, (%edx)
    addl $4096, %edx
    loop touch
"""
    + _BIRTHS["fork + exit"]
    + """
.bss
    .balign 4096
pages: .zero 1000 * 4096
"""
)

#: {count} children that sleep, all alive at once; then all are killed and waited for. Exit status 0 when
#: there were as many as wanted, or, for the bomb, when the next fork was refused and a later one was not.
_CROWD = """
    xorl %ebp, %ebp
more:
    sys_fork
    testl %eax, %eax
    jz sleeper
    js refused
    movl %eax, pids(,%ebp,4)
    incl %ebp
    cmpl ${count}, %ebp
    jb more
refused:
    movl %ebp, %edi
kill:
    invoke2 37, pids-4(,%edi,4), $SIGKILL
    decl %edi
    jnz kill
reap:
    sys_waitpid $ANY_CHILD, $0, $0
    testl %eax, %eax
    jns reap
    sys_fork
    testl %eax, %eax
    jz quit
    js bad
    sys_waitpid %eax, $0, $0
quit:
    sys_exit $0
bad:
    sys_exit $1
sleeper:
    movl $29, %eax
    int $0x80
    jmp sleeper
.bss
    .balign 4
pids: .zero 4 * {room}
"""

#: {count} children that yield {rounds} times each.
_YIELDERS = """
    movl ${count}, %ebp
more:
    sys_fork
    testl %eax, %eax
    jz yielder
    decl %ebp
    jnz more
reap:
    sys_waitpid $ANY_CHILD, $0, $0
    testl %eax, %eax
    jns reap
    sys_exit $0
yielder:
    movl ${rounds}, %ebp
again:
    sys_sched_yield
    decl %ebp
    jnz again
    sys_exit $0
"""

#: A byte goes to the child and back, {count} times.
_PING_PONG = """
    invoke1 __NR_pipe, $there
    invoke1 __NR_pipe, $back
    movl ${count}, %ebp
    sys_fork
    testl %eax, %eax
    jz child
again:
    sys_write there + 4, $byte, $1
    invoke3 __NR_read, back, $byte, $1
    decl %ebp
    jnz again
    sys_waitpid $ANY_CHILD, $0, $0
    sys_exit $0
child:
    invoke3 __NR_read, there, $byte, $1
    sys_write back + 4, $byte, $1
    decl %ebp
    jnz child
    sys_exit $0
.data
there: .long 0, 0
back: .long 0, 0
byte: .byte 0
"""


def _run(
    source: str, memory: int = 16 << 20, sysctl: tuple[tuple[str, str], ...] = ()
) -> tuple[float, Session]:
    """CPU seconds of a whole run, which must end with status 0."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "program.S"
        path.write_text(_HEAD + source)
        config = Config(memory=memory, timing="i486", sysctl=sysctl)
        session = Session(path, config=config, keep_output=False)
    return run_to_end(session)[0], session


def _each(source: str, count: int) -> tuple[float, float]:
    """Seconds and cycles of one round: twice as many less once."""
    runs = [_run(source.replace("{count}", str(n))) for n in (count, 2 * count)]
    cycles = [session.kernel.machine.clock.cycles for _, session in runs]
    return (runs[1][0] - runs[0][0]) / count, (cycles[1] - cycles[0]) / count


def births(divisor: int) -> list[Figure]:
    """Three ways to make a child, and its end."""
    figures = []
    for name, source in _BIRTHS.items():
        seconds, cycles = _each(source, 1000 // divisor)
        figures.append(Figure(name, seconds * 1e6, "us", _BIRTH_GOALS.get(name)))
        figures.append(Figure(f"  {name}, i486", cycles, "cycles"))
    seconds, cycles = _each(_LARGE, 200 // divisor)
    figures.append(Figure("fork + exit with 1,000 pages", seconds * 1e6, "us"))
    figures.append(Figure("  i486", cycles, "cycles"))
    return figures


def crowds(divisor: int) -> list[Figure]:
    """Thousands of processes alive at once, and a bomb that goes to the limit of 16 MiB. Of 10,000 in 512 MiB
    Linux, too, must be told: its kernel.threads-max there is 8,192.
    """
    figures = []
    for name, count, memory in (
        ("alive at once", 4000 // divisor, 256),
        ("alive at once", 10_000 // divisor, 512),
        ("a fork bomb", 1 << 20, 16),
    ):
        room = min(count, 10_000)
        sysctl = (("kernel.threads-max", "20000"),) if memory == 512 else ()
        seconds, session = _run(
            _CROWD.replace("{count}", str(count)).replace("{room}", str(room)),
            memory << 20,
            sysctl,
        )
        k = session.kernel
        made = k.processes.total_forks - 3  # less init, the program and the last one
        target, goal = (count, 600) if name == "alive at once" else (100, None)
        figures += [
            Figure(f"{name}, {memory} MiB", made, "processes", target, ">="),
            Figure("  each, birth to burial", seconds / made * 1e6, "us", goal),
            Figure("  frames leaked", leaked_frames(k), "frames", 0),
        ]
    return figures


def switches(divisor: int) -> list[Figure]:
    """A switch by sched_yield among 2, 10, 100 and 1,000 runnable tasks; a byte through a pipe and back."""
    figures = []
    costs = {}
    for count in (2, 10, 100, 1000 // divisor):
        rounds = 20_000 // divisor // count
        few, many = (
            _run(
                _YIELDERS.replace("{count}", str(count)).replace("{rounds}", str(rounds * n)),
                256 << 20,
            )
            for n in (1, 2)
        )
        made = rounds * count
        seconds = costs[count] = (many[0] - few[0]) / made
        cycles = (many[1].kernel.machine.clock.cycles - few[1].kernel.machine.clock.cycles) / made
        figures.append(Figure(f"a switch among {count:,}", seconds * 1e6, "us", 30))
        figures.append(Figure("  i486", cycles, "cycles"))
    slope = costs[max(costs)] / costs[2]
    figures.append(Figure("  among most / among 2", slope, "x", 3))
    seconds, cycles = _each(_PING_PONG, 2000 // divisor)
    return [
        *figures,
        Figure("pipe ping-pong, there and back", seconds * 1e6, "us", 100),
        Figure("  i486", cycles, "cycles"),
    ]
