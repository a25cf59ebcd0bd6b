"""System V semaphores: every answer here and on this machine's own Linux.

The calls go through ipc(2), as the i386 makes them: 1 semop, 2 semget, 3 semctl, 4 semtimedop.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from native_pairs import answers_here, answers_of_both

EPERM, ENOENT, EINTR, E2BIG, EAGAIN, EACCES, EFAULT = -1, -2, -4, -7, -11, -13, -14
EEXIST, EINVAL, EFBIG, ENOSPC, ERANGE, EIDRM = -17, -22, -27, -28, -34, -43
HEAD = """
.equ IPC_NOWAIT, 04000
.equ IPC_CREAT, 01000
.equ IPC_EXCL, 02000
.equ SEM_UNDO, 0x1000
.equ IPC_RMID, 0
.equ IPC_SET, 1
.equ IPC_STAT, 2
.equ IPC_64, 0x100
.equ GETPID, 11
.equ GETVAL, 12
.equ GETALL, 13
.equ GETNCNT, 14
.equ GETZCNT, 15
.equ SETVAL, 16
.equ SETALL, 17
.macro semget key, nsems, flags
    call 117, $2, \\key, \\nsems, \\flags
.endm
.macro new_set nsems                # a private one, in `sem`
    semget $0, \\nsems, $0600
    movl %eax, sem
.endm
.macro semop ops, count=1, id=sem
    call 117, $1, \\id, $\\count, $0, $\\ops
.endm
.macro semtimedop ops, time, count=1
    call 117, $4, sem, $\\count, $0, $\\ops, \\time
.endm
.macro semctl number, cmd, arg=$0, id=sem
    movl \\arg, argument
    call 117, $3, \\id, \\number, $\\cmd, $argument
.endm
.macro value number=$0
    semctl \\number, GETVAL
    keep
.endm
.macro remove
    semctl $0, IPC_RMID
.endm
.macro status_of_child              # what it ended with, as an error number
    reap
    movl %ebx, %eax
    negl %eax
    keep
.endm
.macro exit_with_error              # 0, or the number of the error in %eax
    negl %eax
    movl %eax, %ebx
    end
.endm
.data
.balign 4
sem:      .long 0
argument: .long 0
up:       .word 0, 1, 0
up2:      .word 0, 2, 0
down:     .word 0, -1, 0
down2:    .word 0, -2, 0
zero:     .word 0, 0, 0
try:      .word 0, -1, IPC_NOWAIT
take:     .word 0, -1, SEM_UNDO
give:     .word 0, 1, SEM_UNDO
.balign 4
short:    .long 0, 20000000
.text
"""


def check(tmp_path: Path, body: str, answers: list[int]) -> None:
    here, linux = answers_of_both(tmp_path, HEAD + body)
    assert linux == answers, "the test is wrong about Linux"
    assert here == answers


pytestmark = pytest.mark.usefixtures("linux32")


# -- sets and values -------------------------------------------------------------------------------


def test_values_are_set_and_read(tmp_path: Path) -> None:
    body = """
    new_set $3
    value $1
    semctl $1, SETVAL, $5
    keep
    value $1
    semctl $0, SETALL, $three
    keep
    value $2
    movl $0, buf+4
    semctl $0, GETALL, $buf
    movl buf, %eax
    keep
    movl buf+4, %eax
    keep
    semctl $1, SETVAL, $-1
    keep
    semctl $1, SETVAL, $32768
    keep
    semctl $0, SETALL, $too_big
    keep
    value $1
    semctl $0, SETVAL, $32767
    keep
    semop up
    keep
    value
    semctl $3, GETVAL
    keep
    semctl $-1, GETVAL
    keep
    semctl $0, 99
    keep
    semctl $0, GETALL, $0
    keep
    semctl $0, GETVAL, $0, $-1
    keep
    remove
    keep
    semctl $0, GETVAL
    keep
    semop up
    keep
    tell
    .data
    three: .word 7, 8, 9
    too_big: .word 1, 1, 40000
    .text
"""
    kept = [0, 0, 5, 0, 9, 7 | 8 << 16, 9, ERANGE, ERANGE, ERANGE, 8, 0, ERANGE, 32767]
    kept += [EINVAL, EINVAL, EINVAL, EFAULT, EINVAL, 0, EINVAL, EINVAL]
    check(tmp_path, body, kept)


def test_a_set_is_found_by_its_key(tmp_path: Path) -> None:
    body = f"""
    .equ KEY, {0x746F0000 + os.getpid() % 0x10000}
    semget $KEY, $2, $0600
    keep
    semget $KEY, $0, $(IPC_CREAT | 0600)
    keep
    semget $KEY, $-1, $(IPC_CREAT | 0600)
    keep
    semget $KEY, $2, $(IPC_CREAT | IPC_EXCL | 0600)
    movl %eax, sem
    semget $KEY, $2, $(IPC_CREAT | IPC_EXCL | 0600)
    keep
    semget $KEY, $0, $0
    subl sem, %eax
    keep
    semget $KEY, $1, $IPC_CREAT
    subl sem, %eax
    keep
    semget $KEY, $3, $0
    keep
    remove
    keep
    semget $KEY, $0, $0
    keep
    tell
"""
    kept = [ENOENT, EINVAL, EINVAL, EEXIST, 0, 0, EINVAL, 0, ENOENT]
    check(tmp_path, body, kept)


def test_a_set_tells_of_itself(tmp_path: Path) -> None:
    body = """
    new_set $3
    semctl $0, IPC_STAT | IPC_64, $buf
    keep
    movzwl buf+20, %eax         # mode
    keep
    movl buf+52, %eax           # number of semaphores
    keep
    movl buf+36, %eax           # nobody has operated on it
    keep
    semop up
    semctl $0, IPC_STAT | IPC_64, $buf
    xorl %eax, %eax
    cmpl $0, buf+36
    setne %al
    keep
    semctl $0, GETPID
    movl %eax, done
    call 20
    subl done, %eax
    keep
    semctl $1, GETPID
    keep
    remove
    tell
"""
    check(tmp_path, body, [0, 0o600, 3, 0, 1, 0, 0])


# -- operations ------------------------------------------------------------------------------------


def test_operations_are_done_all_or_none(tmp_path: Path) -> None:
    body = """
    new_set $2
    semop give_and_fail, 2
    keep
    value
    semop up_and_down, 2
    keep
    value
    semop down_and_up, 2
    keep
    semop both_up, 2
    keep
    value
    value $1
    remove
    tell
    .data
    give_and_fail: .word 0, 1, 0, 1, -1, IPC_NOWAIT
    up_and_down: .word 0, 1, 0, 0, -1, IPC_NOWAIT
    down_and_up: .word 0, -1, IPC_NOWAIT, 0, 1, 0
    both_up: .word 0, 3, 0, 1, 4, 0
    .text
"""
    check(tmp_path, body, [EAGAIN, 0, 0, 0, EAGAIN, 0, 3, 4])


def test_what_no_operation_can_be(tmp_path: Path) -> None:
    body = """
    new_set $1
    semop up, 0
    keep
    semop up, 1000
    keep
    semop beyond
    keep
    semop 0xfffffff0
    keep
    semop up, 1, $-1
    keep
    semtimedop down, $bad_ns
    keep
    semtimedop down, $bad_seconds
    keep
    semtimedop down, $0xfffffff0
    keep
    remove
    tell
    .data
    beyond: .word 1, 1, 0
    .balign 4
    bad_ns: .long 0, 1000000000
    bad_seconds: .long -1, 0
    .text
"""
    check(tmp_path, body, [EINVAL, E2BIG, EFBIG, EFAULT, EINVAL, EINVAL, EINVAL, EFAULT])


def test_a_time_runs_out(tmp_path: Path) -> None:
    body = """
    new_set $1
    semtimedop down, $short
    keep
    semctl $0, GETNCNT
    keep
    semop up
    semtimedop down, $short
    keep
    semtimedop try, $short
    keep
    remove
    tell
"""
    check(tmp_path, body, [EAGAIN, 0, 0, EAGAIN])


# -- sleepers --------------------------------------------------------------------------------------


def test_sleepers_are_counted(tmp_path: Path) -> None:
    body = """
    new_set $1
    semop up
    child for_zero
    movl pid, %eax
    movl %eax, done
    child for_more
    child for_more
    nap
    semctl $0, GETZCNT
    keep
    semctl $0, GETNCNT
    keep
    call 37, pid, $9
    call 7, pid, $0, $0
    semctl $0, GETNCNT
    keep
    semop down                      # zero: who waits for that goes first
    movl done, %eax
    movl %eax, pid
    status_of_child
    semctl $0, GETZCNT
    keep
    remove
    call 7, $-1, $status, $0
    movzbl status+1, %eax
    negl %eax
    keep
    tell
for_zero:
    semop zero
    exit_with_error
for_more:
    semop down2
    exit_with_error
"""
    check(tmp_path, body, [1, 2, 1, 0, 0, EIDRM])


def test_the_waker_serves_the_sleepers_in_their_order(tmp_path: Path) -> None:
    """The value is down again before the sleeper has run; an earlier one that wants more does not
    hold up a later one.
    """
    body = """
    new_set $1
    child for_two
    nap
    child for_one
    nap
    semop up
    value
    semctl $0, GETNCNT
    keep
    semctl $0, GETPID
    subl pid, %eax
    keep
    status_of_child
    child for_one
    nap
    semop up2
    value
    call 7, $-1, $0, $0
    subl pid, %eax                  # the earlier one has been served
    shrl $31, %eax
    keep
    remove
    status_of_child
    tell
for_two:
    semop down2
    exit_with_error
for_one:
    semop down
    exit_with_error
"""
    check(tmp_path, body, [0, 1, 0, 0, 0, 1, EIDRM])


def test_one_sleeper_that_is_served_can_let_another_go(tmp_path: Path) -> None:
    body = """
    new_set $2
    child swaps
    movl pid, %eax
    movl %eax, done
    nap
    child takes_second
    nap
    semop up
    value
    value $1
    status_of_child
    movl done, %eax
    movl %eax, pid
    status_of_child
    remove
    tell
swaps:
    semop swap, 2
    exit_with_error
takes_second:
    semop second
    exit_with_error
    .data
    swap: .word 0, -1, 0, 1, 1, 0
    second: .word 1, -1, 0
    .text
"""
    check(tmp_path, body, [0, 0, 0, 0])


def test_a_sleepers_operation_can_become_impossible(tmp_path: Path) -> None:
    body = """
    new_set $2
    semctl $1, SETVAL, $32767
    child sleeper
    nap
    semop up
    value
    status_of_child
    remove
    tell
sleeper:
    semop overflow, 2
    exit_with_error
    .data
    overflow: .word 0, -1, 0, 1, 1, 0
    .text
"""
    check(tmp_path, body, [1, ERANGE])


@pytest.mark.parametrize("cmd", ["SETVAL, $1", "SETALL, $ones"])
def test_setting_a_value_serves_sleepers(tmp_path: Path, cmd: str) -> None:
    body = f"""
    new_set $1
    child sleeper
    nap
    semctl $0, {cmd}
    value
    status_of_child
    remove
    tell
sleeper:
    semop down
    exit_with_error
    .data
    ones: .word 1
    .text
"""
    check(tmp_path, body, [0, 0])


def test_a_signal_ends_the_sleep_for_good(tmp_path: Path) -> None:
    """SA_RESTART or not."""
    body = """
    new_set $1
    call 67, $10, $action, $0
    child sleeper
    nap
    call 37, pid, $10
    status_of_child
    semctl $0, GETNCNT
    keep
    remove
    tell
sleeper:
    semop down
    exit_with_error
handler:
    ret
    .data
    .balign 4
    action: .long handler, 0, 0x10000000, 0
    .text
"""
    check(tmp_path, body, [EINTR, 0])


# -- undo ------------------------------------------------------------------------------------------


def test_an_end_takes_back_what_was_to_be_undone(tmp_path: Path) -> None:
    body = """
    new_set $1
    semctl $0, SETVAL, $2
    child takes
    status_of_child
    value
    child killed
    nap
    value
    call 37, pid, $9
    call 7, pid, $0, $0
    value
    child gives
    nap
    semop down
    semop down
    semop down
    value
    call 7, pid, $0, $0
    value                           # never below zero
    remove
    tell
takes:
    semop take
    semop take
    exit_with_error
killed:
    semop take
    call 29
gives:
    semop give
    nap
    nap
    exit_with_error
"""
    check(tmp_path, body, [0, 2, 1, 2, 0, 0])


def test_an_undo_serves_sleepers(tmp_path: Path) -> None:
    body = """
    new_set $1
    semop up
    child takes
    nap
    semop down
    keep
    value
    call 7, pid, $0, $0
    remove
    tell
takes:
    semop take
    nap
    nap
    call 1
"""
    check(tmp_path, body, [0, 0])


def test_setting_a_value_forgets_what_was_to_be_undone(tmp_path: Path) -> None:
    body = """
    new_set $2
    semctl $0, SETVAL, $5
    semctl $1, SETVAL, $5
    child takes
    nap
    semctl $0, SETVAL, $1
    call 7, pid, $0, $0
    value
    value $1
    remove
    tell
takes:
    semop both_down, 2
    nap
    nap
    call 1
    .data
    both_down: .word 0, -1, SEM_UNDO, 1, -1, SEM_UNDO
    .text
"""
    check(tmp_path, body, [1, 5])


def test_a_child_does_not_undo_for_its_parent(tmp_path: Path) -> None:
    body = """
    new_set $1
    semctl $0, SETVAL, $1
    semop take
    child nothing
    status_of_child
    value
    remove
    tell
nothing:
    xorl %eax, %eax
    exit_with_error
"""
    check(tmp_path, body, [0, 0])


def test_only_so_much_can_be_undone(tmp_path: Path) -> None:
    """SEMAEM is 32767."""
    body = """
    new_set $1
    semop give_all
    keep
    semctl $0, SETVAL, $0
    semop give_all                  # SETVAL has forgotten the first
    keep
    semop take_all
    keep
    semop give                      # -32768 is the least
    keep
    semop down
    semop give
    keep
    value
    remove
    tell
    .data
    give_all: .word 0, 32767, SEM_UNDO
    take_all: .word 0, -32767, 0
    .text
"""
    check(tmp_path, body, [0, 0, 0, 0, ERANGE, 0])


def test_a_set_that_is_gone_is_not_undone(tmp_path: Path) -> None:
    body = """
    new_set $1
    semctl $0, SETVAL, $1
    child takes
    nap
    remove
    status_of_child
    tell
takes:
    semop take
    nap
    nap
    exit_with_error
"""
    check(tmp_path, body, [0])


# -- permission ------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("mode", "answers"),
    [
        (0o600, [EACCES, EACCES, EACCES, EACCES, EACCES, EPERM, EPERM]),
        (0o604, [0, EACCES, 0, EACCES, 0, EPERM, EPERM]),
        (0o602, [EACCES, 0, EACCES, 0, EACCES, EPERM, EPERM]),
        (0o666, [0, 0, 0, 0, 0, EPERM, EPERM]),
    ],
)
def test_somebody_else_may_what_the_mode_says(
    tmp_path: Path, mode: int, answers: list[int]
) -> None:
    body = f"""
    semget $0, $1, ${mode}
    movl %eax, sem
    child other
    nap
    semctl $0, IPC_SET | IPC_64, $owner
    call 7, pid, $0, $0
    semctl $0, GETVAL
    keep
    tell
other:
    call 206                        # setgroups: none
    call 204, $1000, $1000          # setregid
    call 203, $1000, $1000          # setreuid
    semctl $0, GETVAL
    keep
    semctl $0, SETVAL, $0
    keep
    semop zero
    keep
    semop up
    keep
    semctl $0, IPC_STAT | IPC_64, $buf
    keep
    semctl $0, IPC_SET | IPC_64, $owner
    keep
    remove
    keep
    nap
    nap
    remove                          # it is the owner now
    keep
    tell
    .data
    .balign 4
    owner: .long 0, 1000, 0, 0, 0, 0600, 0, 0, 0
    .text
"""
    check(tmp_path, body, [*answers, 0, EINVAL])


# -- limits ----------------------------------------------------------------------------------------


def test_the_limits_are_those_of_the_time(tmp_path: Path) -> None:
    """SEMMSL 250, SEMOPM 32 and SEMMNI 128 (include/linux/sem.h of 2.6); newer ones are higher."""
    body = """
    semget $0, $251, $0600
    keep
    semget $0, $250, $0600
    movl %eax, sem
    semop many, 33
    keep
    semop many, 32
    keep
    movl $127, done
1:  semget $0, $1, $0600
    testl %eax, %eax
    js 2f
    decl done
    jmp 1b
2:  keep
    movl done, %eax
    keep
    tell
    .data
    many: .rept 33
    .word 0, 1, 0
    .endr
    .text
"""
    assert answers_here(tmp_path, HEAD + body) == [EINVAL, E2BIG, 0, ENOSPC, 0]
