# title: The priority of a group, and times that depend on who used the CPU
# expect stdout: ok: a group's priority is that of its best
# expect stdout: ok: setpriority gives all of it another
# expect stdout: ok: the caller
# expect stdout: ok: and the child
# expect stdout: ok: the system's time counts for ITIMER_PROF, not for ITIMER_VIRTUAL
# expect stdout: ok: sigtimedwait gets a SIGCHLD that would be ignored otherwise
# expect stdout: ok: a sleep is never shorter than asked, by no microsecond
# expect stdout: ok: a point of time on the real-time clock is waited for
#
# Idea: getpriority answers for the most favoured of those who are meant. A virtual timer runs while the
# program itself computes, a profiling timer also while the kernel works for it.
# While stepping: `info tasks` shows nice levels and ticks.

.include "linux.inc"
.include "signal.inc"
.include "process.inc"
.include "time.inc"

.equ __NR_getpriority, 96
.equ __NR_setpriority, 97
.equ PRIO_PROCESS, 0
.equ PRIO_PGRP,    1
.equ ITIMER_PROF,  2
.equ CHLD_BIT, 1 << (SIGCHLD - 1)

.text
.globl _start
_start:
    invoke2 __NR_setpgid, $0, $0
    invoke3 __NR_setpriority, $PRIO_PROCESS, $0, $5
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz slower
    movl %eax, %edi
1:  invoke2 __NR_getpriority, $PRIO_PROCESS, %edi
    cmpl $10, %eax
    jne 1b
    invoke2 __NR_getpriority, $PRIO_PGRP, $0
    check_equal "a group's priority is that of its best", $15, %eax
    invoke3 __NR_setpriority, $PRIO_PGRP, $0, $12
    check_equal "setpriority gives all of it another", $0, %eax
    invoke2 __NR_getpriority, $PRIO_PROCESS, $0
    check_equal "the caller", $8, %eax
    invoke2 __NR_getpriority, $PRIO_PROCESS, %edi
    check_equal "and the child", $8, %eax
    sys_kill %edi, $SIGKILL
    sys_waitpid %edi, $0, $0

    set_handler $SIGPROF, $profiled, $0
    set_handler $SIGVTALRM, $nothing, $0
    set_timer $ITIMER_VIRTUAL, $0, $40000
    set_timer $ITIMER_PROF, $0, $40000
2:  invoke3 __NR_write, $99, $left, $16     # work for the kernel
    cmpl $-1, fired
    je 2b
    cmpl $1000, fired           # at least 1 ms of the other is left
    sbbl %eax, %eax
    check_equal "the system's time counts for ITIMER_PROF, not for ITIMER_VIRTUAL", $0, %eax
    set_timer $ITIMER_VIRTUAL, $0, $0

    change_mask $SIG_BLOCK, $CHLD_BIT
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz brief
    invoke4 __NR_rt_sigtimedwait, $chld, $0, $seconds, $8
    check_equal "sigtimedwait gets a SIGCHLD that would be ignored otherwise", $SIGCHLD, %eax
    invoke3 __NR_waitpid, $-1, $0, $0

    movl $10, %edi
3:  read_clock $CLOCK_MONOTONIC
    movl %eax, %esi
    sleep_ns $1500000
    read_clock $CLOCK_MONOTONIC
    subl %esi, %eax
    cmpl $1499, %eax            # both readings are rounded down
    jb 4f
    decl %edi
    jnz 3b
4:  check_equal "a sleep is never shorter than asked, by no microsecond", $0, %edi

    invoke2 __NR_clock_gettime, $CLOCK_REALTIME, $now
    movl now, %esi
    incl now                    # the same moment of the next second
    invoke4 __NR_clock_nanosleep, $CLOCK_REALTIME, $TIMER_ABSTIME, $now, $0
    movl now, %esi
    invoke2 __NR_clock_gettime, $CLOCK_REALTIME, $now
    movl now, %eax
    subl %esi, %eax
    cmpl $2, %eax
    sbbl %eax, %eax
    check_equal "a point of time on the real-time clock is waited for", $-1, %eax
    sys_exit $0

slower:
    invoke3 __NR_setpriority, $PRIO_PROCESS, $0, $10
    sys_pause
    sys_exit $1

brief:
    sleep_ns $(20 * MILLISECOND)
    sys_exit $0

profiled:
    invoke2 __NR_getitimer, $ITIMER_VIRTUAL, $left
    movl left + 12, %eax
    movl %eax, fired
nothing:
    ret

.data
fired:
    .long -1
left:
    .long 0, 0, 0, 0
chld:
    .long CHLD_BIT, 0
seconds:
    .long 5, 0
now:
    .long 0, 0

.include "print.inc"
