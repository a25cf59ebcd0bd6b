"""RLIMIT_CPU: SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one."""

from pathlib import Path

from toykernel.harness.session import Session
from toykernel.task import Task

PROGRAM = """
.include "linux.inc"
.include "signal.inc"
.text
.globl _start
_start:
    set_handler $24, $over, $0
    movl $75, %eax              # setrlimit
    xorl %ebx, %ebx             # RLIMIT_CPU
    movl $limit, %ecx
    int $0x80
1:  jmp 1b
over:
    ret
.data
limit:
    .long 1, 3
.include "print.inc"
"""


def test_soft_and_hard_limit(tmp_path: Path) -> None:
    source = tmp_path / "limit.S"
    source.write_text(PROGRAM)
    session = Session(source)
    k = session.kernel
    when: list[tuple[int, float]] = []

    def delivered(task: Task, sig: int, info: object) -> None:
        if task.pid == 2:
            when.append((sig, k.machine.clock.cycles / k.time.cpu_hz))

    k.host.trace.signal_deliver.append(delivered)
    assert session.run(4 * k.time.cpu_hz).kind == "finished"
    assert session.stats.program_status == 9
    assert [sig for sig, _ in when] == [24, 24, 9]
    for second, (_, seconds) in enumerate(when, start=1):
        assert 0 <= seconds - second < 0.05
