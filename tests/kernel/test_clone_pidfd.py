"""CLONE_PIDFD where something fails on its way (D11, J); its answers are compared with Linux's in
tests/programs/calls/clone_pidfd.c.
"""

import pytest
from guest import boot, finish, status_of

from toykernel.check.fail import Injector
from toykernel.profiles import PROFILES

AGAIN = """
again:
    movl $120, %eax             # clone(CLONE_PIDFD | SIGCHLD), until it succeeds
    movl $0x1011, %ebx
    xorl %ecx, %ecx
    movl $pidfd, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    int $0x80
    testl %eax, %eax
    js again
    jz child
    movl %eax, %ebx
    sys_waitpid %ebx, $0, $0
    cmpl $3, pidfd
    jne failed
    sys_exit $0
failed:
    sys_exit $1
child:
    sys_exit $0
.data
pidfd: .long -1
"""


def test_each_point_fails_and_nothing_is_left() -> None:
    session = boot(AGAIN)
    injector = Injector(session.kernel, "clone")
    assert finish(session) == 0
    mine = [one for one in injector.done if one.what in ("pidfd_of_child", "filp", "filp slab")]
    assert [(one.step, one.errno) for one in mine if one.what == "pidfd_of_child"] == [
        ("D11", "ENOMEM")
    ]
    assert "filp" in [one.what for one in mine]
    assert [one for one in injector.done if one.left_behind] == []
    wrong = [one.what for one in injector.done if one.errno != one.expected]
    assert wrong == ["cow copy"]  # where the number is stored: EFAULT


@pytest.mark.parametrize("kernel", PROFILES)
def test_in_2_4_the_bit_is_another(kernel: str) -> None:  # N: CLONE_PID, for pid 0 only
    source = AGAIN.replace("js again", "js refused") + ".text\nrefused:\n sys_exit $2\n"
    assert status_of(source, profile=PROFILES[kernel]) == (2 << 8 if kernel == "2.4" else 0)
