"""What single words of exit do: who is told, with which signal, and who is woken (fork-path L2, L4)."""

import pytest
from guest import boot, finish, run, run_to, task

from toykernel.kernel.siginfo import SIGCHLD, SIGUSR1
from toykernel.task import Task

PROCESS = '.include "process.inc"\n.include "signal.inc"\n'
PRINT = '\n.include "print.inc"\n'


# -- children that nobody waits for ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "flags", "answer", "calls"),
    [
        ("$handler", "$0", "%ebp", 1),
        ("$handler", "$SA_NOCLDWAIT", "$-ECHILD", 1),
        ("$SIG_DFL", "$SA_NOCLDWAIT", "$-ECHILD", 0),
        ("$SIG_IGN", "$0", "$-ECHILD", 0),
        ("$SIG_DFL", "$0", "%ebp", 0),
    ],
)
def test_who_leaves_no_zombie(handler: str, flags: str, answer: str, calls: int) -> None:  # L2
    """With SA_NOCLDWAIT as with SIG_IGN; but a handler is still called."""
    run(
        f"""{PROCESS}
        set_handler $SIGCHLD, {handler}, {flags}
        sys_fork
        testl %eax, %eax
        jz child
        movl %eax, %ebp
1:      sys_waitpid %ebp, $0, $0
        cmpl $-EINTR, %eax          # the handler came in between
        je 1b
        cmpl {answer}, %eax
        check_zero_flag "what wait says"
        check_equal "calls of the handler", ${calls}, count
        sys_exit $0
child:  sys_exit $3
handler:
        incl count
        ret
        .data
count:  .long 0
        {PRINT}"""
    )


def test_only_sigchld_can_be_declined() -> None:  # L2, B1
    """Another exit signal leaves a zombie, whatever the parent does with SIGCHLD."""
    run(
        f"""{PROCESS}
        set_handler $SIGCHLD, $SIG_IGN, $0
        set_handler $SIGUSR1, $SIG_IGN, $0
        sys_clone $SIGUSR1
        testl %eax, %eax
        jz child
        movl %eax, %ebp
        sys_waitpid %ebp, $status, $__WCLONE
        cmpl %eax, %ebp
        check_zero_flag "it was a zombie"
        check_equal "its status", $0x300, status
        sys_exit $0
child:  sys_exit $3
        .data
status: .long -1
        {PRINT}"""
    )


# -- orphans ---------------------------------------------------------------------------------------

#: A process, its child, and a child of that with SIGUSR1 as its exit signal, which outlives its parent.
ORPHAN = f"""{PROCESS}
        SUBREAPER
        set_handler $SIGUSR1, $on_usr1, $SA_RESTART
        set_handler $SIGCHLD, $on_chld, $SA_RESTART
        invoke1 __NR_pipe, $fds
        sys_fork
        testl %eax, %eax
        jz middle
        sys_waitpid %eax, $0, $0
middle_is_gone:
        sys_write fds + 4, $fds, $1
        WAIT
        sys_exit $0
middle: sys_clone $SIGUSR1
        testl %eax, %eax
        jz orphan
before: sys_exit $0
orphan: invoke3 __NR_read, fds, $byte, $1   # until its parent is gone
alone:  sys_exit $5
on_usr1:
        incl usr1
        ret
on_chld:
        incl chld
        ret
        .data
fds:    .long 0, 0
byte:   .long 0
status: .long -1
usr1:   .long 0
chld:   .long 0
        {PRINT}"""


def test_an_orphan_of_init_tells_it_by_sigchld() -> None:  # L2
    session = boot(ORPHAN.replace("SUBREAPER", "").replace("WAIT", ""), check=True)
    run_to(session, "before")
    orphan = task(session, 4)
    assert orphan.exit_signal == SIGUSR1
    run_to(session, "alone")
    assert orphan.real_parent.pid == 1
    assert orphan.exit_signal == SIGCHLD
    assert finish(session) == 0


def test_an_orphan_of_a_subreaper_tells_it_by_sigchld() -> None:  # L2
    """Whoever gets a child that it did not make knows nothing of the signal that was agreed upon."""
    wait = """
        sys_waitpid $ANY_CHILD, $status, $0
        check_equal "a plain wait finds it", $0x500, status
        check_equal "SIGCHLD for both", $2, chld
        check_equal "and no SIGUSR1", $0, usr1
    """
    subreaper = "invoke2 __NR_prctl, $PR_SET_CHILD_SUBREAPER, $1"
    run(ORPHAN.replace("SUBREAPER", subreaper).replace("WAIT", wait))


def test_a_child_of_a_thread_keeps_its_signal_in_the_group() -> None:  # L2
    """Another thread of the same process made the same agreement."""
    run(
        f"""{PROCESS}
        set_handler $SIGUSR1, $on_usr1, $SA_RESTART
        invoke1 __NR_pipe, $fds
        movl $1, tid
        sys_clone $(CLONE_AS_THREAD | CLONE_CHILD_CLEARTID), $stack_top, $0, $0, $tid
        testl %eax, %eax
        jz thread
1:      invoke4 __NR_futex, $tid, $FUTEX_WAIT, $1, $0
        cmpl $0, tid
        jne 1b
        sys_write fds + 4, $fds, $1         # the thread is gone: its child may go too
        sys_waitpid $ANY_CHILD, $0, $0
        check_equal "it is no ordinary child", $-ECHILD, %eax
        sys_waitpid $ANY_CHILD, $status, $__WCLONE
        check_equal "it is one of clone", $0x500, status
        check_equal "its signal", $1, usr1
        sys_exit $0
thread: sys_clone $SIGUSR1
        testl %eax, %eax
        jz child
        sys_exit $0
child:  invoke3 __NR_read, fds, $byte, $1
        sys_exit $5
on_usr1:
        incl usr1
        ret
        .data
fds:    .long 0, 0
byte:   .long 0
tid:    .long 0
status: .long -1
usr1:   .long 0
        .bss
        .zero 512
stack_top:
        {PRINT}"""
    )


# -- the word of CLONE_CHILD_CLEARTID --------------------------------------------------------------


def test_exit_wakes_one_who_sleeps_on_the_word() -> None:  # L4
    """Two sleep on it; the end of the thread wakes one of them, who finds the other still asleep."""
    source = f"""{PROCESS}
        movl $1, tid
        sys_clone $(CLONE_AS_THREAD | CLONE_CHILD_CLEARTID), $first_top, $0, $0, $tid
        testl %eax, %eax
        jz dying
        sys_clone $CLONE_AS_THREAD, $second_top
        testl %eax, %eax
        movl $0, %ebp
        jz sleeper
        movl $1, %ebp
sleeper:
        invoke4 __NR_futex, $tid, $FUTEX_WAIT, $1, $0
        testl %eax, %eax
        jnz bad                             # it was not asleep when the word changed
        cmpl $0, tid
        jne bad                             # woken too early
        invoke3 __NR_futex, $tid, $FUTEX_WAKE, $1
        lock addl %eax, woken
        testl %ebp, %ebp
        jnz main
        movl $0, %ebx
        movl $1, second_done
        invoke4 __NR_futex, $second_done, $FUTEX_WAKE, $1, $0
        sys_exit $0
main:   invoke4 __NR_futex, $second_done, $FUTEX_WAIT, $0, $0
        cmpl $0, second_done
        je main
        check_equal "the first one woke the other", $1, woken
        sys_exit $0
dying:  movl $10, %ebp
2:      give_way
        decl %ebp
        jnz 2b
last:   sys_exit $0
bad:    invoke1 __NR_exit_group, $1
        .data
tid:    .long 0
woken:  .long 0
second_done: .long 0
        .bss
        .zero 512
first_top:
        .zero 512
second_top:
        {PRINT}"""
    session = boot(source, check=True)
    dying = run_to(session, "last")
    sleeping = [t.wait.reason for t in dying.signal.threads if t.wait is not None]
    assert len(sleeping) == 2
    assert all("futex" in reason for reason in sleeping)
    assert finish(session) == 0


def test_a_killed_thread_leaves_its_word() -> None:  # L4
    """A signal ends all of them: nobody is left who could join, and the memory may be looked at."""
    source = f"""{PROCESS}
        sys_clone $(CLONE_VM | CLONE_CHILD_CLEARTID | CHILD_SIGNAL), $top, $0, $0, $tid
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $status, $0
        check_equal "killed", $9, status
        check_equal "the word", $7, tid
        sys_exit $0
child:  kill_self $SIGKILL
        .data
tid:    .long 7
status: .long -1
        .bss
        .zero 512
top:
        {PRINT}"""
    run(source)


def test_a_child_s_end_tells_its_times() -> None:
    """do_notify_parent: ticks of the child, those of its threads that are gone included."""
    session = boot(
        """
        sys_fork
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
        sys_exit $0
child:  movl $3000000, %ecx
1:      loop 1b
        sys_exit $0
        """
    )
    k = session.kernel
    ticks: list[int] = []
    told: list[int] = []
    k.host.trace.tick.append(lambda task: ticks.append(task.pid))

    def hear(_task: Task, sig: int, info: dict[str, int]) -> None:
        if sig == SIGCHLD and info["si_pid"] == 3:
            told.append(info["si_utime"] + info["si_stime"])

    k.host.trace.signal_discard.append(hear)  # nobody has a handler
    assert finish(session, 50_000_000) == 0
    assert told == [ticks.count(3)]
    assert told[0] >= 3
