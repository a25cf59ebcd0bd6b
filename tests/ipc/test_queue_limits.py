"""What POSIX message queues count for their user (RLIMIT_MSGQUEUE), and how many there may be."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.check.invariants import check_all
from toykernel.errno import EMFILE, ENOSPC, Errno
from toykernel.fs.open import sys_close
from toykernel.harness.session import Session
from toykernel.ipc.mq_calls import sys_mq_open, sys_mq_unlink
from toykernel.kernel.cred import commit_creds, prepare_creds
from toykernel.kernel.signal_types import RLIMIT_MSGQUEUE
from toykernel.kernel.uid_calls import sys_setresuid
from toykernel.mm.mmap import sys_mmap2
from toykernel.state import Kernel

HELLO = Path(__file__).parents[2] / "userland" / "hello.S"
O_RDWR, O_CREAT = 2, 0o100
#: sizeof(struct msg_msg) and of struct posix_msg_tree_node on i386.
MSG, NODE, PRIORITIES = 24, 24, 32768


@pytest.fixture
def k() -> Iterator[Kernel]:
    session = Session(HELLO)
    session.break_at("_start")
    assert session.run().kind == "breakpoint"
    yield session.kernel
    check_all(session.kernel)


class Queues:
    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.page = sys_mmap2(k, 0, 4096, 3, 0x22, -1, 0)

    def name(self, name: str) -> int:
        copy_to_user(self.k, self.page, name.encode() + b"\0")
        return self.page

    def open(self, name: str, maxmsg: int, msgsize: int) -> int:
        """The descriptor, or the negated error."""
        copy_to_user(self.k, self.page + 64, struct.pack("<8i", 0, maxmsg, msgsize, *[0] * 5))
        try:
            return sys_mq_open(self.k, self.name(name), O_RDWR | O_CREAT, 0o600, self.page + 64)
        except Errno as error:
            return -error.number

    def unlink(self, name: str) -> None:
        assert sys_mq_unlink(self.k, self.name(name)) == 0

    def limit(self, size: int) -> None:
        self.k.current.signal.rlim[RLIMIT_MSGQUEUE] = (size, size)


@pytest.mark.parametrize(
    ("maxmsg", "msgsize"), [(1, 1), (10, 8192), (7, 100), (PRIORITIES + 5, 16)]
)
def test_what_a_queue_counts(k: Kernel, maxmsg: int, msgsize: int) -> None:
    queues = Queues(k)
    size = maxmsg * MSG + min(maxmsg, PRIORITIES) * NODE + maxmsg * msgsize
    queues.limit(size - 1)
    assert queues.open("a", maxmsg, msgsize) == -EMFILE
    queues.limit(size)
    a = queues.open("a", maxmsg, msgsize)
    assert a >= 0
    assert queues.open("b", 1, 1) == -EMFILE
    queues.unlink("a")
    assert queues.open("b", 1, 1) == -EMFILE  # it lives as long as somebody has it open
    assert sys_close(k, a) == 0
    queues.limit(size + MSG + NODE + 1)
    assert queues.open("b", 1, 1) >= 0
    assert queues.open("a", maxmsg, msgsize) >= 0
    assert queues.open("c", 1, 1) == -EMFILE
    queues.unlink("a")
    queues.unlink("b")


def test_another_user_has_a_count_of_its_own(k: Kernel) -> None:
    queues = Queues(k)
    size = 4 * (MSG + NODE + 8)
    queues.limit(size)
    assert queues.open("a", 4, 8) >= 0
    assert queues.open("b", 4, 8) == -EMFILE
    assert sys_setresuid(k, -1, 1000, -1) == 0
    assert queues.open("b", 4, 8) == -EMFILE  # it is the real user who counts
    assert sys_setresuid(k, 1000, 1000, 0) == 0
    assert queues.open("b", 4, 8) >= 0
    assert queues.open("c", 1, 1) == -EMFILE
    queues.unlink("b")


def test_how_many_there_are(k: Kernel) -> None:
    queues = Queues(k)
    ids = k.current.nsproxy.ipc_ns.mq_ids
    ids.queues_max = 2
    cred = prepare_creds(k)
    cred.cap_effective = 0
    commit_creds(k, cred)
    assert [queues.open(name, 1, 1) >= 0 for name in "ab"] == [True, True]
    assert queues.open("c", 1, 1) == -ENOSPC
    assert queues.open("a", 1, 1) >= 0  # that there is
    queues.unlink("a")
    assert queues.open("c", 1, 1) >= 0
    queues.unlink("b")
    queues.unlink("c")
