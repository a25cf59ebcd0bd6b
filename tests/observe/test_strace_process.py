"""How strace shows calls on processes, files and identities: the words are strace's own."""

from pathlib import Path

import pytest

from toykernel.harness.session import Session
from toykernel.observe.strace import Strace

USERLAND = Path(__file__).parents[2] / "userland"


def trace(program: str | Path) -> str:
    """What strace writes of a program."""
    session = Session(program if isinstance(program, Path) else USERLAND / f"{program}.S")
    written: list[bytes] = []
    strace = Strace(session.kernel, written.append, every_line_has_pid=True)
    session.run(50_000_000)
    strace.close()
    return b"".join(written).decode()


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("pipe_talk", "pipe([3, 4])"),
        ("pipe_talk", '<... read resumed>"thie", 8) '),
        ("pipe_talk", '<... read resumed>"", 8)'),
        ("pipe_talk", "--- SIGPIPE {si_signo=SIGPIPE, si_code=SI_USER, si_pid=4, si_uid=0} ---"),
        ("signal_stop", "--- stopped by SIGSTOP ---"),
        ("exec_from_thread", "3     +++ superseded by execve in pid 4 +++"),
        ("clone_refused", "clone(child_stack=NULL, flags=CLONE_THREAD|SIGCHLD) "),
        ("thread_join", "FUTEX_WAIT, "),
        ("close_on_exec", "fcntl(4, F_SETFD, FD_CLOEXEC)"),
        ("close_on_exec", "umask(0123)"),
        ("shared_offset", 'open("/tmp/shared_offset.tmp", O_RDWR|O_CREAT|O_TRUNC, 0600)'),
        ("shared_offset", "lseek(3, 0, SEEK_SET)"),
        ("subreaper", "prctl(PR_SET_CHILD_SUBREAPER, 1)"),
    ],
)
def test_a_line(program: str, line: str) -> None:
    assert line in trace(program)


@pytest.mark.parametrize(("flag", "seen"), [(0, True), (0x2000, True), (0x800000, False)])
def test_who_is_traced(flag: int, seen: bool, tmp_path: Path) -> None:  # C2
    """CLONE_UNTRACED keeps a child from the tracer; CLONE_PTRACE has none to give it to."""
    path = tmp_path / "made.S"
    path.write_text(
        f""".globl _start
_start: movl $120, %eax         # clone
        movl ${flag | 17:#x}, %ebx
        xorl %ecx, %ecx
        int $0x80
        testl %eax, %eax
        jz child
        movl $7, %eax
        movl $-1, %ebx
        xorl %ecx, %ecx
        xorl %edx, %edx
        int $0x80
child:  movl $20, %eax          # getpid
        int $0x80
        movl $1, %eax
        xorl %ebx, %ebx
        int $0x80
"""
    )
    pids = {line.split()[0] for line in trace(path).splitlines()}
    assert pids == ({"2", "3"} if seen else {"2"})
