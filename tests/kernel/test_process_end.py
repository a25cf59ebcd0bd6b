"""Numbers, the tree, the end of a task, and who hears of it (fork-path L, H3, C4)."""

from pathlib import Path

import pytest
from guest import PROGRAM_PID, boot, finish, run, run_to, task
from hypothesis import given
from hypothesis import strategies as st

from toykernel.errno import Errno
from toykernel.harness.runner import EXIT_DEADLOCK
from toykernel.harness.runner import run as run_to_result
from toykernel.harness.session import Session
from toykernel.kernel.pid import PidMap
from toykernel.mm.memory import follow_page
from toykernel.observe.task_tree import shared_with, task_fields, task_tree, tree_text
from toykernel.state import Config
from toykernel.sysctl import SysctlError
from toykernel.task import Task

USERLAND = Path(__file__).parents[2] / "userland"
PROCESS = '.include "process.inc"\n'
PRINT = '\n.include "print.inc"\n'


# -- numbers ---------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=200), st.integers(301, 320))
def test_numbers_are_never_given_twice(freed: list[bool], pid_max: int) -> None:  # L1
    numbers, held = PidMap(pid_max), []
    for free in freed:
        if free and held:
            numbers.free(held.pop(len(held) // 2))
        else:
            given_ = numbers.alloc()
            assert given_ not in held
            assert 0 < given_ < pid_max
            held.append(given_)


def test_wrapping_goes_to_300() -> None:  # L1
    numbers = PidMap(310)
    assert [numbers.alloc() for _ in range(309)] == list(range(1, 310))
    for number in (5, 300, 301):
        numbers.free(number)
    assert numbers.alloc() == 300
    assert numbers.alloc() == 301
    with pytest.raises(Errno):
        numbers.alloc()  # 5 is free, but reserved


def test_a_group_keeps_its_number() -> None:  # L1: pid, tgid, process group, session
    source = f"""{PROCESS}
        sys_fork
        testl %eax, %eax
        jz leader
        sys_waitpid %eax, $0, $0
here:   sys_exit $0
leader: invoke0 __NR_setsid
        sys_fork
        testl %eax, %eax
        jz member
        sys_exit $0
member: sys_sched_yield
        jmp member
    """
    session = boot(source)
    run_to(session, "here")
    k = session.kernel
    member = next(t for t in k.processes.tasks if t.signal.pgrp not in (0, 1, 2))
    leader = member.signal.pgrp
    assert leader not in k.processes.pids.tasks  # the process is gone
    k.processes.pids.last = leader - 1
    assert k.processes.pids.alloc() != leader


@pytest.mark.parametrize("value", ["300", "32769", "x", ""])
def test_bad_pid_max(value: str) -> None:
    with pytest.raises(SysctlError, match=r"kernel\.pid_max"):
        Session(USERLAND / "hello.S", config=Config(sysctl=(("kernel.pid_max", value),)))


def test_unknown_sysctl_names_the_known_ones() -> None:
    with pytest.raises(SysctlError, match=r"kernel\.pid_max.*kernel\.threads-max"):
        Session(USERLAND / "hello.S", config=Config(sysctl=(("kernel.nothing", "1"),)))


# -- the end ---------------------------------------------------------------------------------------


def test_a_parent_that_ignores_sigchld_reaps_nobody() -> None:  # L2
    run(
        f"""{PROCESS}.include "signal.inc"
        set_handler $SIGCHLD, $1, $0
        sys_fork
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
        check_equal "gone by itself", $-ECHILD, %eax
        sys_exit $0
child:  sys_exit $3
        {PRINT}"""
    )


def test_the_leader_is_a_zombie_until_its_threads_end() -> None:  # L2, D18
    source = f"""{PROCESS}
        sys_fork
        testl %eax, %eax
        jz leader
        movl %eax, %ebp
        sys_waitpid %ebp, $status, $0
        check_equal "the group's status is its first thread's", $0x400, status
        sys_exit $0
leader: sys_clone $CLONE_AS_THREAD, $stack_top
        testl %eax, %eax
        jz thread
        sys_exit $4
thread: movl $20, %edi
1:      sys_sched_yield
        decl %edi
        jnz 1b
last:   sys_exit $9
        .data
status: .long 0
        .bss
        .zero 512
stack_top:
        {PRINT}"""
    session = boot(source)
    thread = run_to(session, "last")
    leader = thread.group_leader
    assert leader.is_zombie
    assert task(session, PROGRAM_PID).wait is not None  # the parent still waits
    assert thread.signal.live == 1
    assert finish(session) == 0


def test_exit_group_ends_every_thread() -> None:  # L2
    run(
        f"""{PROCESS}
        sys_fork
        testl %eax, %eax
        jz leader
        sys_waitpid %eax, $status, $0
        check_equal "the status given to exit_group", $0x600, status
        sys_exit $0
leader: sys_clone $CLONE_AS_THREAD, $stack_top
        testl %eax, %eax
        jz thread
1:      sys_sched_yield
        jmp 1b
thread: movl $6, %ebx
        movl $__NR_exit_group, %eax
        int $0x80
        .data
status: .long 0
        .bss
        .zero 512
stack_top:
        {PRINT}"""
    )


def test_orphans_go_to_another_thread_first() -> None:  # L2
    source = f"""{PROCESS}
        sys_clone $CLONE_AS_THREAD, $stack_top
        testl %eax, %eax
        jz thread
1:      sys_sched_yield
        cmpl $0, child_pid
        je 1b
        movl $10, %edi
2:      sys_sched_yield
        decl %edi
        jnz 2b
here:   sys_waitpid child_pid, $0, $0
        cmpl %eax, child_pid
        check_zero_flag "the thread's child is ours now"
        sys_exit $0
thread: sys_fork
        testl %eax, %eax
        jz child
        movl %eax, child_pid
        sys_exit $0
child:  movl $40, %edi
3:      sys_sched_yield
        decl %edi
        jnz 3b
        sys_exit $0
        .data
child_pid: .long 0
        .bss
        .zero 512
stack_top:
        {PRINT}"""
    session = boot(source)
    leader = run_to(session, "here")
    assert [c.real_parent for c in leader.children] == [leader]
    assert finish(session) == 0


def test_the_death_of_a_parent_can_be_a_signal() -> None:  # D15: pdeath_signal
    run(
        f"""{PROCESS}
        invoke2 __NR_prctl, $PR_SET_CHILD_SUBREAPER, $1
        sys_fork
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
        sys_waitpid $ANY_CHILD, $status, $0
        check_equal "the grandchild is killed by its parent's end", $9, status
        sys_exit $0
child:  invoke1 __NR_pipe, $fds
        sys_fork
        testl %eax, %eax
        jz grandchild
        invoke3 __NR_read, fds, $status, $1     # until it has asked for the signal
        sys_exit $0
grandchild:
        invoke2 __NR_prctl, $PR_SET_PDEATHSIG, $9
        sys_write fds + 4, $status, $1
2:      sys_sched_yield
        jmp 2b
        .data
status: .long 0
fds:    .long 0, 0
        {PRINT}"""
    )


def test_wait_options() -> None:  # L3
    run(
        f"""{PROCESS}
        sys_waitpid $ANY_CHILD, $0, $0x10
        check_equal "an unknown option", $-EINVAL, %eax
        sys_waitpid $ANY_CHILD, $0, $0
        check_equal "no child", $-ECHILD, %eax
        invoke1 __NR_pipe, $fds
        sys_fork
        testl %eax, %eax
        jz child
        movl %eax, %ebp
        sys_waitpid %ebp, $0, $WNOHANG
        check_equal "not yet", $0, %eax
        incl %ebp
        sys_waitpid %ebp, $0, $0
        check_equal "not ours", $-ECHILD, %eax
        decl %ebp
        sys_write fds + 4, $status, $1
        invoke5 __NR_waitid, $1, %ebp, $info, $0x01000004, $0
        check_equal "waitid answers 0", $0, %eax
        check_equal "the signal", $17, info
        check_equal "the code", $1, info + 8
        check_equal "the status", $3, info + 20
        sys_waitpid %ebp, $status, $0
        check_equal "WNOWAIT left it", $0x300, status
        sys_exit $0
child:  invoke3 __NR_read, fds, $status, $1
        sys_exit $3
        .data
fds:    .long 0, 0
status: .long 0
info:   .zero 128
        {PRINT}"""
    )


def test_clear_child_tid_is_for_memory_that_is_still_shared() -> None:  # L4
    run(
        f"""{PROCESS}
        sys_clone $(CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CHILD_SIGNAL), $0, $0, $0, $word
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
        check_equal "a copy of the memory: nobody is told", $7, word
        sys_clone $(CLONE_VM | CLONE_CHILD_CLEARTID | CHILD_SIGNAL), $stack_top, $0, $0, $word
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
        check_equal "the same memory: zero", $0, word
        sys_exit $0
child:  sys_exit $0
        .data
word:   .long 7
        .bss
        .zero 512
stack_top:
        {PRINT}"""
    )


# -- what the tools say ----------------------------------------------------------------------------

INHERITED = f"""{PROCESS}
        sys_clone $CLONE_AS_THREAD, $stack_top
        testl %eax, %eax
        jz thread
        movl %eax, lock             # the thread holds it
        sys_fork
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
child:  invoke4 __NR_futex, $lock, $FUTEX_WAIT, lock, $0
thread: invoke4 __NR_futex, $never, $FUTEX_WAIT, $0, $0
        .data
lock:   .long 0
never:  .long 0
        .bss
        .zero 512
stack_top:
"""


def test_a_lock_that_nobody_will_unlock_is_explained() -> None:  # L5
    result = run_to_result(boot(INHERITED))
    assert result.status == EXIT_DEADLOCK
    assert "held by 3 (guest), a thread of process 2: fork left it locked here" in result.message


def test_the_program_about_it_blocks_for_ever() -> None:  # L5
    result = run_to_result(Session(USERLAND / "inherited_lock.S"))
    assert result.status == EXIT_DEADLOCK
    assert "2 (inherited_lock) in wait4 for child 4" in result.message
    held = "held by 3 (inherited_lock), a thread of process 2, gone now: fork left it locked here"
    assert result.message.endswith(held)


def stuck(before: str, word: str) -> str:
    """What is said of a task that sleeps for ever on `word`, after `before` has run."""
    source = f"""{PROCESS}
        .include "mman.inc"
        {before}
wait:   invoke4 __NR_futex, $lock, $FUTEX_WAIT, lock, $0
        jmp wait
sleep:  invoke4 __NR_futex, $never, $FUTEX_WAIT, $0, $0
        jmp sleep
        .data
        .balign 4096
lock:   .long {word}
        .zero 4092
never:  .long 0
        .bss
        .zero 512
stack_top:
    """
    result = run_to_result(boot(source))
    assert result.status == EXIT_DEADLOCK, result
    return result.message


FORK = "sys_fork\ntestl %eax, %eax\n"
THREAD = "sys_clone $CLONE_AS_THREAD, $stack_top\ntestl %eax, %eax\njz sleep\n"


@pytest.mark.parametrize(
    ("before", "word", "said"),
    [
        # A number that somebody has is no evidence: pid 3 is a child, with a memory of its own.
        (FORK + "jz sleep", "3", "word 3, holder unknown: 3 is no thread that had this memory"),
        # Nor is init's, nor nobody's.
        ("", "77", "word 77, holder unknown: 77 is no thread that had this memory"),
        # 0, 1, 2 are the states of the simplest lock, and 2 is a thread here.
        (THREAD + FORK + "jnz sleep", "2", "word 2, holder unknown: 2 may be a state of the lock"),
        ("", "1", "word 1, holder unknown: 1 may be a state of the lock"),
        # With FUTEX_WAITERS it is a tid.
        (THREAD, "0x80000002", "held by 2 (guest)"),
        (
            FORK + "jnz sleep",
            "0x80000002",
            "held by 2 (guest) when it forked: its copy here has another number",
        ),
        # Memory that is copied twice: thread 3 was there, two forks ago.
        (
            THREAD + FORK + "jnz sleep\n" + FORK + "jnz sleep",
            "3",
            "held by 3 (guest), a thread of process 2: fork left it locked here",
        ),
        # A thread that came after the fork has nothing to do with the copy.
        (FORK + "jz wait\n" + THREAD + "jmp sleep", "4", "holder unknown: 4 is no thread"),
        # Shared memory: whoever maps it can have locked it.
        (
            "sys_mprotect_shared\n" + FORK + "jz sleep\n",
            "0",
            "held by 3 (guest)",
        ),
    ],
)
def test_a_holder_is_named_only_with_evidence(before: str, word: str, said: str) -> None:  # L5
    shared = """.equ MAP_SHARED_FIXED, 0x31
        .macro sys_mprotect_shared
        sys_mmap $lock, $4096, $PROT_RW, $MAP_SHARED_FIXED
        movl $3, lock
        .endm
    """
    message = stuck(shared + before, word)
    assert said in message, message


def test_the_tree() -> None:
    session = boot(INHERITED)
    run_to(session, "child")
    k = session.kernel
    tree = task_tree(k)
    assert (tree.pid, [c.pid for c in tree.children]) == (1, [2])
    assert tree.children[0].threads == (3,)
    assert tree_text(tree).splitlines()[1:] == ["└─2 guest S +threads 3", "  └─4 guest R"]


def test_what_threads_share() -> None:  # G
    session = boot(INHERITED)
    run_to(session, "child")
    k = session.kernel
    thread, child = k.processes.pids.tasks[3], k.processes.pids.tasks[4]
    shared = shared_with(k, thread)
    for part in ("memory", "files", "root and cwd", "handlers", "thread group", "credentials"):
        assert shared[part] == (2,), part
    assert shared_with(k, child)["memory"] == ()
    fields = task_fields(k, thread)
    assert fields["memory shared with"] == "2"
    assert fields["tgid"] == "2"
    assert fields["parent"] == "1"
    assert (fields["cwd"], fields["root"]) == ("/", "/")
    assert fields["references"] == (  # the namespaces are those of every task, idle included
        "task 2, mm 2, files 2, fs 2, sighand 2, cred 2, nsproxy 5, signal 2, live threads 2, threads 2"
    )
    assert "bounding" in fields["capabilities"]
    assert "address space unlimited" in fields["limits"]


def test_the_last_user_of_a_memory_clears_no_word() -> None:  # L4
    source = f"""{PROCESS}
        sys_clone $(CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CHILD_SIGNAL), $0, $0, $0, $word
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
child:  sys_exit $0
        .data
word:   .long 7
    """
    session = boot(source)
    k = session.kernel
    assert session.program is not None
    at = session.program.symbols["word"].value
    frames: list[int] = []
    words: list[int] = []

    def before(dying: Task) -> None:
        if dying.pid == 3:
            assert dying.mm is not None
            physical = follow_page(k, dying.mm, at)
            assert physical is not None
            frames.append(physical)

    def after(dead: Task) -> None:
        if dead.pid == 3:
            words.append(k.machine.ram.read32(frames[0]))

    k.host.trace.process_exit.append(before)
    k.host.trace.release_task.append(after)
    assert finish(session) == 0
    assert words == [3]  # as CLONE_CHILD_SETTID left it
