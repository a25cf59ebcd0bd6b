"""Which calls offer no choice of who goes on: by their names, those that are about the caller alone."""

from toykernel.kernel.sched.schedule import _MMAP2, _QUIET, _WAITS
from toykernel.syscall_table import BY_NAME

QUIET = """
    getpid getuid getgid geteuid getegid brk munmap uname mprotect getuid32 getgid32 geteuid32 getegid32
    gettid
"""


def test_calls_that_are_about_the_caller_alone() -> None:
    assert {BY_NAME[name].number for name in QUIET.split()} == _QUIET
    assert BY_NAME["mmap2"].number == _MMAP2
    assert tuple(BY_NAME[name].number for name in ("waitpid", "wait4")) == _WAITS
