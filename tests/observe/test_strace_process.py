"""How strace shows calls on processes, files and identities: the words are strace's own."""

from pathlib import Path

import pytest

from toykernel.observe.strace import Strace
from toykernel.session import Session

USERLAND = Path(__file__).parents[2] / "userland"


def trace(name: str) -> str:
    """What strace writes of a program."""
    session = Session(USERLAND / f"{name}.S")
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
        ("clone_refused", "clone(CLONE_THREAD|SIGCHLD, "),
        ("thread_join", "FUTEX_WAIT, "),
        ("close_on_exec", "fcntl(4, F_SETFD, 0x1)"),
        ("close_on_exec", "umask(0123)"),
        ("shared_offset", 'open("/tmp/shared_offset.tmp", O_RDWR|O_CREAT|O_TRUNC, 0600)'),
        ("shared_offset", "lseek(3, 0, SEEK_SET)"),
        ("subreaper", "prctl(PR_SET_CHILD_SUBREAPER, 0x1"),
    ],
)
def test_a_line(program: str, line: str) -> None:
    assert line in trace(program)
