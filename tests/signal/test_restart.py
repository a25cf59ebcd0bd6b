"""Signals that come at awkward moments: during a fork, for init, for a full queue."""

from pathlib import Path
from typing import Any

from toykernel.harness.session import Session
from toykernel.kernel.siginfo import SIGCHLD, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1
from toykernel.kernel.signal import send_signal
from toykernel.task import Task

FORK = """
.include "linux.inc"
.include "signal.inc"
.text
.globl _start
_start:
    set_handler $SIGUSR1, $handler, $0
    movl $__NR_fork, %eax
    int $0x80
    testl %eax, %eax
    jz child
    movl %eax, %edi
    sys_waitpid %edi, $0, $0
    cmpl %eax, %edi
    jne wrong
    sys_exit handled
wrong:
    sys_exit $99
child:
    sys_exit $0
handler:
    incl handled
    ret
.data
handled:
    .long 0
.include "print.inc"
"""


def session_of(tmp_path: Path, text: str) -> Session:
    source = tmp_path / "program.S"
    source.write_text(text)
    return Session(source)


def test_a_signal_during_fork_undoes_it_and_it_begins_again(tmp_path: Path) -> None:  # D17
    session = session_of(tmp_path, FORK)
    k = session.kernel
    state = {"raised": False, "forks": 0}
    results: list[int] = []

    def entered(task: Task, number: int, _words: Any) -> None:
        if task.pid == 2 and number == 2 and not state["raised"]:
            state["raised"] = True
            send_signal(k, task, SIGUSR1, {})

    def left(task: Task, number: int, result: int) -> None:
        if number == 2 and task.pid == 2:
            results.append(result)

    k.host.trace.sys_enter.append(entered)
    k.host.trace.sys_exit.append(left)
    assert session.run(10_000_000).kind == "finished"
    assert (
        session.stats.program_status == 1 << 8
    )  # the handler ran once, in the parent, before the fork
    assert results[0] == -513  # ERESTARTNOINTR, never seen by the program
    assert len(results) == 2
    assert k.processes.total_forks - 1 <= 2  # init's own, and one child


def test_init_takes_no_signal_that_it_has_no_handler_for(tmp_path: Path) -> None:
    body = (
        '.include "linux.inc"\n.include "signal.inc"\n.text\n.globl _start\n_start:\n'
        + "".join(f"    sys_kill $1, ${sig}\n" for sig in (SIGTERM, SIGKILL, SIGSTOP, SIGUSR1))
        + '    sys_exit $5\n.include "print.inc"\n'
    )
    session = session_of(tmp_path, body)
    assert session.run(10_000_000).kind == "finished"
    assert session.stats.program_status == 5 << 8


def test_the_queue_of_real_time_signals_has_a_limit(tmp_path: Path) -> None:
    text = """
.include "linux.inc"
.include "signal.inc"
.text
.globl _start
_start:
    movl $SIG_BLOCK, %ebx
    movl $all, %ecx
    xorl %edx, %edx
    movl $8, %esi
    movl $__NR_rt_sigprocmask, %eax
    int $0x80
    sys_getpid
    movl %eax, %edi
    xorl %ebp, %ebp
1:  movl %edi, %ebx
    movl $40, %ecx
    movl $info, %edx
    movl $__NR_rt_sigqueueinfo, %eax
    int $0x80
    testl %eax, %eax
    jnz 2f
    incl %ebp
    cmpl $100000, %ebp
    jb 1b
2:  movl %ebp, count
    movl %eax, result
    sys_exit $0
.data
all:
    .long -1, -1
info:
    .long 0, 0, -1
    .fill 29, 4, 0
count:
    .long 0
result:
    .long 0
.include "print.inc"
"""
    session = session_of(tmp_path, text)
    k = session.kernel
    k.host.trace.process_exec.append(
        lambda task, path: task.signal.rlim.update({11: (50, 50)})  # RLIMIT_SIGPENDING
    )
    seen: list[int] = []
    k.host.trace.sys_exit.append(
        lambda task, number, result: seen.append(result) if number == 178 else None
    )
    assert session.run(50_000_000).kind == "finished"
    assert seen == [0] * 50 + [-11]  # EAGAIN


def test_a_dead_child_is_announced_once(tmp_path: Path) -> None:
    session = session_of(tmp_path, FORK)
    told: list[int] = []
    session.kernel.host.trace.signal_discard.append(
        lambda task, sig, info: told.append(info["si_pid"]) if sig == SIGCHLD else None
    )
    session.run(10_000_000)
    assert told.count(3) == 1
