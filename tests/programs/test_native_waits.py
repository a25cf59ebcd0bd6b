"""Calls that sleep, and what becomes of them: here and on this machine's own Linux.

Each program ends with the status that both must give; what it is stands in the test.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from native_pairs import both

# -- files that a call holds -----------------------------------------------------------------------

#: A thread sleeps in a call on a pipe; another closes both ends before it runs again.
HOLDS = """
    call 42, $fds
    {fill}
    thread sleeper
    nap
    call 6, fds
    call 6, fds+4
    nap
    movl done, %ebx
    end
sleeper:
    {call}
    negl %eax
    addl $100, %eax
    movl %eax, done
    call 1
"""
FILL = "call 4, fds+4, $buf, $65536"
BROKEN_PIPE = "call 48, $13, $1;"  # SIGPIPE is ignored


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize(
    ("fill", "call", "status"),
    [
        ("", "call 3, fds, $buf, $1", 100),  # read: the end of the file
        (BROKEN_PIPE + FILL, "call 4, fds+4, $buf, $1", 132),  # write: EPIPE
        (BROKEN_PIPE + FILL, "call 316, fds+4, $iov, $1, $0", 132),  # vmsplice: EPIPE
        ("", "call 316, fds, $iov, $1, $0", 100),  # vmsplice that takes out
    ],
    ids=["read", "write", "vmsplice", "vmsplice-out"],
)
def test_a_call_that_sleeps_on_a_pipe_holds_the_file(
    tmp_path: Path, fill: str, call: str, status: int
) -> None:
    fill = fill.replace(";", "\n    ")
    body = HOLDS.format(fill=fill, call=call) + "\n.data\niov: .long buf, 1\n"
    assert both(tmp_path, body) == (status, status)


@pytest.mark.usefixtures("linux32")
def test_a_killed_sleeper_lets_go_of_its_file(tmp_path: Path) -> None:
    body = """
    call 42, $fds
    child sleepers
    call 6, fds+4               # only the sleeper's process has the writing end
    nap
    call 37, pid, $9
    call 3, fds, $buf, $1       # the end of the file, when the sleeper's descriptors are gone
    movl %eax, %ebx
    end
sleepers:
    thread sleeper
    nap
    call 6, fds
    call 29
sleeper:
    call 3, fds, $buf, $1
    call 1
"""
    assert both(tmp_path, body) == (0, 0)


# -- waitid ----------------------------------------------------------------------------------------

WSTOPPED, WEXITED, WCONTINUED, WNOHANG = 2, 4, 8, 1
NOTHING, ECHILD = 100, 110


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize(
    ("options", "status"),
    [
        (WSTOPPED | WNOHANG, ECHILD),
        (WCONTINUED | WNOHANG, ECHILD),
        (WSTOPPED | WCONTINUED, ECHILD),  # nor does it sleep
        (WEXITED | WSTOPPED | WNOHANG, NOTHING),
    ],
)
def test_a_zombie_is_no_candidate_for_a_waitid_that_does_not_want_its_death(
    tmp_path: Path, options: int, status: int
) -> None:
    body = f"""
    child ends
    nap
    call 284, $0, $0, $buf, ${options}, $0
    negl %eax
    leal 100(%eax), %ebx
    end
ends:
    call 1
"""
    assert both(tmp_path, body) == (status, status)


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize(("options", "code"), [(WSTOPPED, 5), (WCONTINUED, 6), (WEXITED, 0)])
def test_a_dead_leader_of_a_living_group_can_be_seen_to_stop(
    tmp_path: Path, options: int, code: int
) -> None:
    """And is no candidate for its death yet; the answer is si_code."""
    body = f"""
    child leader
    nap
    call 37, pid, $19
    nap
    .if {options == WCONTINUED:d}
    call 37, pid, $18
    nap
    .endif
    movl $99, buf+8
    call 284, $0, $0, $buf, ${options | WNOHANG}, $0
    testl %eax, %eax
    jnz 1f
    movl buf+8, %ebx
    call 37, pid, $9
    movl buf+8, %ebx
    end
1:  negl %eax
    leal 100(%eax), %ebx
    end
leader:
    thread sleeper
    call 1
sleeper:
    call 162, $long
    call 1
"""
    assert both(tmp_path, body) == (code, code)


# -- stopped and continued in the middle -----------------------------------------------------------

EINTR, EAGAIN, ETIMEDOUT = 4, 11, 110

#: A call that sleeps; what then lets it end (by the parent); what it answers.
STOPPED = {
    "nanosleep": ("call 162, $sleep", "", 0),
    "clock_nanosleep": ("call 267, $1, $0, $sleep, $buf", "", 0),
    "clock_nanosleep until": (
        "call 265, $1, $now\n addl $60000000, now+4\n cmpl $1000000000, now+4\n jb 1f\n"
        " subl $1000000000, now+4\n incl now\n1: call 267, $1, $1, $now",
        "",
        0,
    ),
    "futex": ("call 240, $word, $0, $0, $0", "movl $1, word\n call 240, $word, $1, $1", 0),
    "futex with a time": ("call 240, $word, $0, $0, $sleep", "", ETIMEDOUT),
    "futex with a bit set": ("call 240, $word, $9, $0, $0, $0, $1", "call 240, $word, $1, $1", 0),
    "sigtimedwait": ("call 177, $usr1, $0, $sleep, $8", "", EINTR),
    "sigwaitinfo": ("call 177, $usr1, $0, $0, $8", "", EINTR),
    "semop": ("call 117, $1, sem, $1, $0, $down", "", EINTR),
    "semtimedop": ("call 117, $4, sem, $1, $0, $down, $sleep", "", EINTR),
    "read": ("call 3, fds, $buf, $2", "call 4, fds+4, $buf, $2", -2),
    "write": (
        "call 4, fds+4, $buf, $65536\n call 4, fds+4, $buf, $2",
        "call 3, fds, $buf, $8192",
        -2,
    ),
    "wait4": ("call 2\n testl %eax, %eax\n jz sleeps\n call 7, $-1, $0, $0\n movl $0, %eax", "", 0),
    "vfork": ("call 190\n testl %eax, %eax\n jz sleeps\n movl $0, %eax", "", 0),
    "pause": ("call 29", "call 37, pid, $10", EINTR),
    "sigsuspend": ("call 179, $none, $8", "call 37, pid, $10", EINTR),
}


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize("between", ["", "nap"], ids=["at once", "later"])
@pytest.mark.parametrize("name", STOPPED)
def test_a_sleeper_is_stopped_and_continued(tmp_path: Path, name: str, between: str) -> None:
    """What it answers is the same whether it ever saw the stop: SIGCONT may take it back."""
    asleep, then, answer = STOPPED[name]
    body = f"""
    call 192, $word, $4096, $3, $0x31, $-1      # shared memory: the futex is for both
    call 42, $fds
    call 117, $2, $0, $1, $0600, $0             # semget
    movl %eax, sem
    call 67, $10, $action, $0                   # sigaction of SIGUSR1
    child sleeper
    nap
    call 37, pid, $19
    {between}
    call 37, pid, $18
    nap
    {then}
    reap
    movl %ebx, done
    call 117, $3, sem, $0, $0, $none            # semctl(IPC_RMID)
    movl done, %ebx
    end
sleeper:
    {asleep}
    negl %eax
    leal 100(%eax), %ebx
    end
sleeps:
    call 162, $sleep
    call 1
handler:
    ret
.data
.balign 4
sleep:  .long 0, 60000000
action: .long handler, 0, 0, 0
usr1:   .long 1 << 11, 0                        # SIGUSR2
none:   .long 0, 0
now:    .long 0, 0
down:   .word 0, -1, 0
.balign 4
sem:    .long 0
.bss
.balign 4096
word:   .space 4096
.text
"""
    assert both(tmp_path, body) == (100 + answer, 100 + answer)


# -- who is woken first ----------------------------------------------------------------------------


@pytest.mark.usefixtures("linux32")
@pytest.mark.skipif(os.geteuid() != 0, reason="Linux gives real-time priorities to root only")
@pytest.mark.parametrize(
    ("policies", "order"),
    [((0, 2, 5, 3, 5), 35421), ((0, 0, 0, 0, 0), 12345), ((9, 0, 1, 0, 9), 15324)],
)
def test_a_futex_wakes_by_real_time_priority_and_then_in_order(
    tmp_path: Path, policies: tuple[int, ...], order: int
) -> None:
    """`policies` are SCHED_FIFO priorities in the order in which they came; 0 is an ordinary task."""
    children = "".join(
        f"""
    movl ${number}, who
    movl ${priority}, prio
    child sleeper
    nap
"""
        for number, priority in enumerate(policies, 1)
    )
    body = f"""
    call 192, $word, $4096, $3, $0x31, $-1
    {children}
    movl $5, count
1:  call 240, $word, $1, $1
    nap
    decl count
    jnz 1b
    xorl %ebx, %ebx
    cmpl ${order}, word+4
    je 2f
    incl %ebx
2:  end
sleeper:
    cmpl $0, prio
    je 1f
    call 156, $0, $1, $prio
1:  call 240, $word, $0, $0, $0
    imull $10, word+4, %eax
    addl who, %eax
    movl %eax, word+4
    call 1
.data
.balign 4
who:    .long 0
prio:   .long 0
count:  .long 0
.bss
.balign 4096
word:   .space 4096
.text
"""
    assert both(tmp_path, body) == (0, 0)
