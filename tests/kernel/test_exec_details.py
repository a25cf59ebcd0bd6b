"""What single words of execve do: whose credentials, whose table of actions, who is waited for."""

from __future__ import annotations

import pytest
from guest import boot, finish, run_to, status_of

from toykernel.fs.exec import prepare_exec_creds
from toykernel.fs.inode import S_IFREG, S_ISGID, S_ISUID
from toykernel.fs.namei import path_lookup


@pytest.mark.parametrize(
    ("mode", "euid", "egid"),
    [
        (0o755, 0, 0),
        (S_ISUID | 0o755, 77, 0),
        (S_ISUID | 0o711, 77, 0),
        (S_ISGID | 0o755, 0, 78),
        (S_ISGID | 0o711, 0, 78),
        (S_ISGID | 0o745, 0, 0),  # no x for the group: a mark of mandatory locks
        (S_ISGID | 0o706, 0, 0),
        (S_ISUID | S_ISGID | 0o755, 77, 78),
    ],
)
def test_set_id_bits(mode: int, euid: int, egid: int) -> None:
    session = boot("nop")
    run_to(session, "_start")
    k = session.kernel
    inode = path_lookup(k, session.guest_path).found().dentry.inode
    inode.mode, inode.uid, inode.gid = S_IFREG | mode, 77, 78
    cred = prepare_exec_creds(k, inode)
    assert (cred.uid, cred.euid, cred.suid, cred.fsuid) == (0, euid, euid, euid)
    assert (cred.gid, cred.egid, cred.sgid, cred.fsgid) == (0, egid, egid, egid)
    assert bool(cred.cap_effective) == (euid == 0)
    assert cred.cap_permitted  # the real user is root


#: A child with the table of actions in common runs a file (%ebx), and exits with 0 when that cannot be.
SHARED = """
.include "process.inc"
    movl (%esp), %eax
    decl %eax
    jnz again                       # argc 2: executed anew
    movl 4(%esp), %ebp
    sys_clone $(CLONE_VM | CLONE_SIGHAND | SIGCHLD), $stack
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $status, $0
    movl status, %ebx
    shrl $8, %ebx
    movl $1, %eax
    int $0x80
child:
    movl %ebp, words
    movl {file}, %ebx
    movl $words, %ecx
    movl $none, %edx
    movl $11, %eax
    int $0x80
    movl %eax, %ebx
    negl %ebx
    movl $1, %eax
    int $0x80
again:
    sys_exit $5
.data
words: .long 0, two
none: .long 0
two: .asciz "x"
device: .asciz "/dev/null"
.balign 4
status: .long 0
.bss
.space 4096
stack:
"""


@pytest.mark.parametrize(("file", "status"), [("%ebp", 5), ("$bad", 8)])
def test_a_shared_table_of_actions_is_left(file: str, status: int) -> None:
    """By one's own for the new program; by none when there is none: nothing of it stays behind."""
    source = SHARED.format(file=file)
    bad = b"\x7fELF\x01\x01\x01" + bytes(100)
    source = source.replace("device:", 'bad: .asciz "/bad"\ndevice:')
    session = boot(source, files={"/bad": bad}, check=True)
    assert finish(session) == status << 8
    assert session.kernel.memory.slabs.sighand.active == 1  # init's


EXEC = """
.include "process.inc"
    movl (%esp), %eax
    decl %eax
    jnz again
    movl 4(%esp), %ebp
    movl %ebp, words
1:  sys_clone $CLONE_AS_THREAD, $stack
    testl %eax, %eax
    jz waits
    decl left
    jnz 1b
    {who}
    movl %ebp, %ebx
    movl $words, %ecx
    movl $none, %edx
    movl $11, %eax
    int $0x80
    sys_exit $1
waits:
    movl $29, %eax                  # pause
    int $0x80
    jmp waits
again:
    sys_exit $7
.data
words: .long 0, two
none: .long 0
left: .long 3
two: .asciz "x"
.bss
.balign 16
.space 4096
stack:
other_stack: .space 4096
top:
"""
BY_A_THREAD = """
    sys_clone $CLONE_AS_THREAD, $top
    testl %eax, %eax
    jnz waits
"""


@pytest.mark.parametrize("who", ["", BY_A_THREAD], ids=["leader", "thread"])
def test_nobody_is_waited_for_any_more(who: str) -> None:
    """Behind an exec that had to wait for three threads, and for the leader."""
    session = boot(EXEC.format(who=who), check=True)
    task = run_to(session, "again")
    assert task.pid == 2
    assert task.signal.notify_count == 0
    assert task.signal.group_exit_task is None
    assert len(task.signal.threads) == 1
    assert finish(session) == 7 << 8


def test_a_promise_of_memory_that_may_be_written_later() -> None:
    """mprotect counts what becomes writable, as mmap would have; not what was taken without a promise."""
    assert (
        status_of(
            """
    .macro area flags
    movl $192, %eax
    xorl %ebx, %ebx
    movl $0x4000000, %ecx           # four times all memory
    movl $1, %edx
    movl $\\flags, %esi
    movl $-1, %edi
    xorl %ebp, %ebp
    int $0x80
    movl %eax, %ebx
    movl $125, %eax                 # mprotect
    movl $0x4000000, %ecx
    movl $3, %edx
    int $0x80
    .endm
    area 0x22
    cmpl $-12, %eax
    jne 1f
    movl %ebx, %edi
    movl $125, %eax                 # a part of it is no more than there is
    movl $0x10000, %ecx
    movl $3, %edx
    int $0x80
    testl %eax, %eax
    jnz 1f
    area 0x4022                     # MAP_NORESERVE
    testl %eax, %eax
    jnz 1f
    sys_exit $0
1:  sys_exit $1
"""
        )
        == 0
    )
