"""Numbers and small steps that nothing bigger shows when they are wrong."""

from __future__ import annotations

import random
import struct

import pytest
from guest import boot, finish, run, run_to

from toykernel.arch.x86 import asm_offsets
from toykernel.arch.x86.i387 import fsave_from_fxsave, fxsave_from_fsave
from toykernel.ipc.sem import copy_semundo, exit_sem, uncopy_semundo
from toykernel.kernel import clone_flags
from toykernel.kernel.clone_flags import CLONE_SYSVSEM, CloneArgs

PROCESS = '.include "process.inc"\n'


def test_flags_of_clone() -> None:
    """include/linux/sched.h: one bit each, in this order, from 0x100 on."""
    names = (
        *("VM", "FS", "FILES", "SIGHAND", "PID", "PTRACE", "VFORK", "PARENT", "THREAD", "NEWNS"),
        *("SYSVSEM", "SETTLS", "PARENT_SETTID", "CHILD_CLEARTID", "DETACHED", "UNTRACED"),
        *("CHILD_SETTID", "", "NEWUTS", "NEWIPC", "NEWUSER", "NEWPID", "NEWNET", "IO"),
    )
    for bit, name in enumerate(names, start=8):
        assert not name or getattr(clone_flags, f"CLONE_{name}") == 1 << bit
    assert clone_flags.CSIGNAL == 0xFF


def test_the_descriptor_table() -> None:
    """arch/x86/include/asm/segment.h; what a program sees in its registers is native Linux's for i386."""
    a = asm_offsets
    assert (a.GDT_ENTRIES, a.GDT_TLS_MIN, a.GDT_TLS_ENTRIES) == (32, 6, 3)
    assert (a.KERNEL_CS, a.KERNEL_DS, a.USER_CS, a.USER_DS) == (0x60, 0x68, 0x73, 0x7B)
    assert (a.TSS_SELECTOR, a.SYSCALL_VECTOR) == (0x80, 0x80)


@pytest.mark.parametrize("seed", range(3))
def test_both_forms_of_the_fpus_state_hold_the_same(seed: int) -> None:
    """The 80 bits of each register, and the environment; tags by what is empty."""
    r = random.Random(seed)
    fx = bytearray(r.randbytes(512))
    fx[5] = 0
    fx[7] &= 7  # an opcode has 11 bits
    for n in range(8):
        fx[42 + 16 * n : 48 + 16 * n] = bytes(6)
    fx[14:16] = fx[22:24] = bytes(2)
    legacy = fsave_from_fxsave(bytes(fx))
    assert len(legacy) == 108
    assert [legacy[28 + 10 * n :][:10] for n in range(8)] == [
        bytes(fx[32 + 16 * n :][:10]) for n in range(8)
    ]
    control, status, _, ip, cs, dp, ds = struct.unpack_from("<7I", legacy)
    assert (control & 0xFFFF, status & 0xFFFF) == struct.unpack_from("<HH", fx)
    assert (ip, cs & 0xFFFF, dp, ds & 0xFFFF) == struct.unpack_from("<IIII", fx, 8)
    assert cs >> 16 == int.from_bytes(fx[6:8], "little")
    back = fxsave_from_fsave(legacy, bytes(fx))
    assert back == bytes(fx)


def test_levels_of_ioprio() -> None:
    """Classes 0 to 3, levels 0 to 7, and no level without a class (fs/ioprio.c of 2.6.39)."""
    tries = {
        (2 << 13) | 7: 0,
        (2 << 13) | 8: -22,
        (3 << 13) | 7: 0,
        (4 << 13): -22,
        (1 << 13): 0,
        0: 0,
        1: -22,
        7: -22,
    }
    text = "".join(
        f"""
    movl $289, %eax
    movl $1, %ebx
    xorl %ecx, %ecx
    movl ${value}, %edx
    int $0x80
    cmpl ${answer}, %eax
    jne bad
"""
        for value, answer in tries.items()
    )
    run(f"{text}    sys_exit $0\nbad: sys_exit $1\n")


def test_another_users_record_goes_with_the_last_process() -> None:
    """setuid takes a reference for the new user and gives the old one back."""
    session = boot(
        f"""{PROCESS}
    .rept 3
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    .endr
    sys_exit $0
child:
    movl $213, %eax                 # setuid32
    movl $1000, %ebx
    int $0x80
    testl %eax, %eax
    jnz bad
    sys_exit $0
bad: sys_exit $1
""",
        check=True,
    )
    users = session.kernel.processes.root_user.ns.users
    run_to(session, "_start")
    before = {uid: (user.count, user.processes) for uid, user in users.items()}
    assert finish(session) == 0
    assert set(users) == set(before) == {0}
    assert users[0].count == before[0][0] - 1  # the program's
    assert session.kernel.memory.slabs.uid.active == 0


@pytest.mark.parametrize("mine", [False, True])
def test_an_undo_list_that_a_failed_clone_made(mine: bool) -> None:
    """It goes, with the one the parent was given for it; one the parent had before stays."""
    session = boot("nop")
    parent = run_to(session, "_start")
    k = session.kernel
    child = type(parent)(99, parent.stack, "child")
    other = type(parent)(98, parent.stack, "other")
    args = CloneArgs(CLONE_SYSVSEM, 0, {})
    if mine:
        assert copy_semundo(k, other, args)
        exit_sem(k, other)
        assert parent.undo_list is not None
        assert parent.undo_list.refcnt == 1
    made = copy_semundo(k, child, args)
    assert made is not mine
    assert child.undo_list is parent.undo_list
    assert parent.undo_list is not None
    assert parent.undo_list.refcnt == 2
    uncopy_semundo(k, child, made)
    assert child.undo_list is None
    assert (parent.undo_list is None) is not mine
    assert k.memory.slabs.sem_undo_list.active == mine
    assert not mine or parent.undo_list.refcnt == 1


@pytest.mark.parametrize("flags", ["0", "CLONE_FS", "CLONE_FS | CLONE_FILES"])
def test_roots_and_working_directories_go_with_their_users(flags: str) -> None:
    session = boot(
        f"""{PROCESS}
    .rept 2
    sys_clone $({flags} | SIGCHLD)
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    .endr
    sys_exit $0
child:
    sys_exit $0
""",
        check=True,
    )
    task = run_to(session, "child")
    parent = task.real_parent
    assert task.fs is not None
    assert task.fs.users == (2 if "FS" in flags else 1)
    assert (task.fs is parent.fs) == ("FS" in flags)
    assert session.kernel.memory.slabs.fs.active == (2 if "FS" in flags else 3)
    assert finish(session) == 0
    assert session.kernel.memory.slabs.fs.active == 1
    assert session.kernel.memory.slabs.files.active == 1


def test_the_longest_time_to_linger() -> None:
    """sock_setsockopt of a 32-bit kernel: no more than MAX_SCHEDULE_TIMEOUT, in ticks of 1/100 s."""
    longest = 0x7FFFFFFF // 100
    for given, told in ((longest - 1, longest - 1), (longest + 1, longest), (0xFFFFFFFF, longest)):
        run(f"""
    movl $359, %eax                 # socket
    movl $1, %ebx
    movl $1, %ecx
    xorl %edx, %edx
    int $0x80
    movl %eax, %ebx
    movl $366, %eax                 # setsockopt(SO_LINGER)
    movl $1, %ecx
    movl $13, %edx
    movl $linger, %esi
    movl $8, %edi
    int $0x80
    movl $365, %eax                 # getsockopt
    movl $size, %edi
    int $0x80
    cmpl ${told}, linger + 4
    jne bad
    sys_exit $0
bad: sys_exit $1
.data
linger: .long 1, {given}
size: .long 8
""")
