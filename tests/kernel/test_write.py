"""write from every corner of memory: nothing is read that may not be, nothing is kept at once."""

import pytest
from guest import boot, finish, status_of

EFAULT, EINVAL, EBADF = -14, -22, -9
WRITE = """
    movl $4, %eax
    movl ${fd}, %ebx
    movl ${buf}, %ecx
    movl ${count}, %edx
    int $0x80
    cmpl ${result}, %eax
    jne bad
    sys_exit $0
bad:
    sys_exit $1
    .data
    .balign 4096
data: .fill 4096, 1, 'x'
    .bss
    .balign 4096
bss: .space 65536
"""


@pytest.mark.parametrize(
    ("fd", "buf", "count", "result"),
    [
        (1, "data", 0, 0),
        (1, "data", 1, 1),
        (1, "0", 0, 0),
        (1, "0xc0000000", 0, 0),
        (1, "0xc0000001", 0, EFAULT),
        (1, "0", 1, EFAULT),
        (1, "0xbffffffc", 4, 4),
        (1, "0xbffffffc", 5, EFAULT),
        (1, "0xc0000000", 1, EFAULT),
        (1, "0xffffffff", 1, EFAULT),
        (1, "data", "0xffffffff", EFAULT),
        (1, "data", "0x80000000", EINVAL),
        (1, "data", "0x7fffffff", 4096 + 65536),  # to the end of what is mapped, in whole pieces
        (1, "data + 4095", "0x7fffffff", 2048 * 32),
        (1, "bss + 65535", 2, EFAULT),
        (7, "data", 1, EBADF),
        (-1, "data", 1, EBADF),
        (7, "0xffffffff", "0xffffffff", EBADF),
    ],
)
def test_write(fd: int, buf: str, count: int | str, result: int) -> None:
    assert status_of(WRITE.format(fd=fd, buf=buf, count=count, result=result)) == 0


def test_a_long_write_goes_out_in_pieces() -> None:
    session = boot(
        "movl $4, %eax\n movl $1, %ebx\n movl $bss, %ecx\n movl $0x2000000, %edx\n int $0x80\n"
        "cmpl $0x2000000, %eax\n jne 1f\n sys_exit $0\n1: sys_exit $1\n.bss\nbss: .space 0x2000000\n",
        memory=2 << 20,
    )
    k = session.kernel
    sizes: list[int] = []
    k.host.console_write = lambda fd, data: sizes.append(len(data))
    assert finish(session) == 0
    assert sum(sizes) == 32 << 20
    assert max(sizes) <= 1 << 16
    assert session.stats.faults["zero_page"] == 32 << 8  # read, not written: one frame for all
