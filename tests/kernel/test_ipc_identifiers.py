"""Identifiers of System V's objects by 2.6.39's rule, which changed later, and what POSIX queues count.

ipc_addid: the lowest free index, and 32768 times how many there have been; what kernel.*_next_id names, once.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from guest import boot, finish

CALLS = """
.macro call number:req, ebx=$0, ecx=$0, edx=$0, esi=$0, edi=$0
    movl \\ebx, %ebx
    movl \\ecx, %ecx
    movl \\edx, %edx
    movl \\esi, %esi
    movl \\edi, %edi
    movl $\\number, %eax
    int $0x80
.endm
.macro keep value=%eax
    movl \\value, %eax
    movl end, %edx
    movl %eax, (%edx)
    addl $4, end
.endm
.data
.balign 4
end: .long answers
.bss
.balign 4
buf: .space 256
answers: .space 4096
.text
"""
TELL = """
    movl end, %edx
    subl $answers, %edx
    call 4, $1, $answers, %edx
    sys_exit $0
"""
SEQ = 32768
#: get and remove a private object; where IPC_STAT puts the generation.
KINDS = {
    "msg": ("call 399, $0, $0600", "call 402, {id}, $0", "call 402, {id}, $2, $buf"),
    "shm": ("call 395, $0, $4096, $0600", "call 396, {id}, $0", "call 396, {id}, $2, $buf"),
    "sem": ("call 393, $0, $1, $0600", "call 394, {id}, $0, $0", "call 394, {id}, $0, $2, $buf"),
}


def answers(body: str, **config: Any) -> list[int]:
    session = boot(CALLS + body + TELL, **config)
    assert finish(session, 50_000_000) == 0
    return [number for (number,) in struct.iter_unpack("<i", session.stdout)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_identifier_is_an_index_and_a_generation(kind: str) -> None:
    get, remove, stat = KINDS[kind]
    text = ""
    for _ in range(3):
        text += f"{get}\nkeep\n{stat.format(id='%eax')}\nmovzwl buf + 24, %eax\nkeep\n"
    text += remove.format(id=f"${SEQ + 1}") + "\nkeep\n" + remove.format(id="$1") + "\nkeep\n"
    text += f"{get}\nkeep\n{get}\nkeep\n{stat.format(id='%eax')}\nmovzwl buf + 24, %eax\nkeep\n"
    text += remove.format(id=f"${SEQ + 1}") + "\nkeep\n"
    first = 3 * SEQ + 1
    assert answers(text) == [
        *(0, 0, SEQ + 1, 1, 2 * SEQ + 2, 2), 0, -22, *(first, 4 * SEQ + 3, 4), -22,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_identifier_can_be_chosen(kind: str) -> None:
    get = KINDS[kind][0]
    for chosen, got in ((5, 5), (7 * SEQ + 9, 7 * SEQ + 9), (0, 0)):
        setting = ((f"kernel.{kind}_next_id", str(chosen)),)
        told = answers(f"{get}\nkeep\n{get}\nkeep\n{get}\nkeep\n", sysctl=setting)
        free = [n for n in range(4) if n != got % SEQ]
        assert told == [got, free[0], SEQ + free[1]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_chosen_identifier_that_is_taken_gives_the_next_index(kind: str) -> None:
    get = KINDS[kind][0]
    setting = ((f"kernel.{kind}_next_id", str(2 * SEQ + 1)),)
    assert answers(f"{get}\nkeep\n{get}\nkeep\n", sysctl=setting) == [2 * SEQ + 1, 0]


@pytest.mark.parametrize(("number", "size"), [(1, 1), (3, 20), (10, 8192), (7, 100)])
def test_what_a_queue_counts_of_its_user_s_limit(number: int, size: int) -> None:
    """mqueue_get_inode (3.5): for each message its bytes, a struct msg_msg (24) and a node (24)."""
    bytes_ = number * (size + 24 + 24)
    opened = "call 277, $name, $0102, $0600, $attr\nkeep\n"
    text = ""
    for limit in (bytes_ - 1, bytes_, 2 * bytes_ - 1):
        text += f"movl ${limit}, limit\ncall 75, $12, $limit\n{opened}"
        if limit >= bytes_:  # a removed queue counts as long as it is open
            text += f"call 277, $other, $0102, $0600, $attr\nkeep\ncall 278, $name\n{opened}"
            text += f"call 6, $3\n{opened}call 6, $3\ncall 278, $name\n"
    text += ".data\n.balign 4\nlimit: .long 0, 0x7fffffff\n"
    text += f'attr: .long 0, {number}, {size}, 0, 0, 0, 0, 0\nname: .asciz "q"\nother: .asciz "r"\n.text\n'
    got = answers(text)
    assert got[0] == -24
    assert got[1:] == [3, -24, -24, 3] * 2


@pytest.mark.parametrize("most", [0, 1, 2])
@pytest.mark.parametrize("user", [0, 1000])
def test_how_many_queues_there_may_be(most: int, user: int) -> None:
    """fs.mqueue.queues_max: ENOSPC beyond it, but not for root."""
    text = f"call 213, ${user}\n"
    for name in "abc":
        text += f"call 277, ${name}, $0102, $0600, $attr\nkeep\n"
    text += ".data\n.balign 4\nattr: .long 0, 1, 1, 0, 0, 0, 0, 0\n"
    text += "".join(f'{name}: .asciz "{name}"\n' for name in "abc") + ".text\n"
    got = answers(text, sysctl=(("fs.mqueue.queues_max", str(most)),))
    assert got == [3 + n if n < most or not user else -28 for n in range(3)]


@pytest.mark.parametrize(
    ("number", "size", "error"),
    [
        (256, 16 << 20, -75),
        (65536, 65536, -75),
        (65536, 65535, -24),
        (65537, 1, -22),
        (1, (16 << 20) + 1, -22),
    ],
)
def test_a_queue_that_no_word_can_count(number: int, size: int, error: int) -> None:
    """mq_attr_ok with longs of 32 bits: EOVERFLOW from 4 GiB on; EINVAL beyond root's hard limits."""
    text = "call 277, $name, $0102, $0600, $attr\nkeep\n.data\n.balign 4\n"
    text += f'attr: .long 0, {number}, {size}, 0, 0, 0, 0, 0\nname: .asciz "q"\n.text\n'
    assert answers(text) == [error]


def test_queues_are_files_where_mqueue_is_mounted() -> None:
    """mq_overview(7): one file a queue, made and removed either way; a namespace has its own."""
    text = """
.data
one: .asciz "one"
two: .asciz "two"
at: .asciz "/tmp/q"
kind: .asciz "mqueue"
one_there: .asciz "/tmp/q/one"
two_there: .asciz "/tmp/q/two"
.text
"""
    calls = """
call 277, $one, $0102, $0640
call 39, $at, $0700
call 21, $kind, $at, $kind
call 33, $one_there, $4
call 8, $two_there, $0600
call 282, $4, $0, $buf
call 277, $two, $02
call 10, $one_there
call 277, $one, $02
call 39, $one_there, $0700
call 38, $two_there, $one_there
call 6, $4
call 6, $5
call 52, $at
call 33, $two_there, $4
call 21, $kind, $at, $kind
call 33, $two_there, $4
call 310, $0x08000000
call 277, $two, $02
call 33, $two_there, $4
call 52, $at
call 21, $kind, $at, $kind
call 33, $two_there, $4
call 8, $one_there, $0600
call 278, $one
call 33, $one_there, $4
"""
    text += "".join(f"{line}\nkeep\n" for line in calls.split("\n") if line)
    assert answers(text, check=True) == [
        *(3, 0, 0, 0, 4, 0, 5, 0, -2, -1, -1, 0, 0),
        *(0, -2, 0, 0),
        *(0, -2, 0, 0, 0, -2, 4, 0, -2),
    ]
