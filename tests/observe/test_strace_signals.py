"""strace's words for signals and times, as the real strace writes them."""

from pathlib import Path

import pytest

from toykernel.harness.session import Session
from toykernel.observe.decoding.signals import set_text
from toykernel.observe.strace import Strace

USERLAND = Path(__file__).parents[2] / "userland"


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (0, "[]"),
        (1 << 9, "[USR1]"),
        (1 << 9 | 1 << 16, "[USR1 CHLD]"),
        (1 << 31 | 1 << 33, "[RTMIN RT_2]"),
        ((1 << 64) - 1, "~[]"),
        (~(1 << 8 | 1 << 18) & (1 << 64) - 1, "~[KILL STOP]"),
    ],
)
def test_a_set(mask: int, text: str) -> None:
    assert set_text(mask) == text


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("signal_restart", "nanosleep({tv_sec=0, tv_nsec=20000000}, NULL) = 0"),
        ("signal_restart", "kill(2, SIGUSR1)            = 0"),
        ("signal_restart", "sa_mask=[], sa_flags=SA_RESTART}, NULL, 8) = 0"),
        ("signal_restart", "sigreturn({mask=[]})        = -1 EINTR (Interrupted system call)"),
        ("signal_mask", "rt_sigprocmask(SIG_BLOCK, [USR1], NULL, 8) = 0"),
        ("signal_mask", "rt_sigaction(SIGUSR1, {sa_handler=SIG_IGN, sa_mask=[], sa_flags=0}"),
        ("signal_mask", "rt_sigpending([USR1], 8)                = 0"),
        ("signal_altstack", "ss_flags=0, ss_size=8192}, NULL) = 0"),
        ("signal_altstack", "sigaltstack({ss_sp=NULL, ss_flags=SS_DISABLE, ss_size=0}, NULL) = 0"),
        ("sleep", "setitimer(ITIMER_REAL, {it_interval={tv_sec=0, tv_usec=20000}, it_value="),
        (
            "sleep",
            "clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, {tv_sec=0, tv_nsec=1}, NULL) = 0",
        ),
    ],
)
def test_a_line(name: str, line: str) -> None:
    session = Session(USERLAND / f"{name}.S")
    lines: list[bytes] = []
    Strace(session.kernel, lines.append, every_line_has_pid=False)
    session.run(1_000_000_000)
    assert line in b"".join(lines).decode()
