# title: Timers of a process: real, virtual, and POSIX ones
# expect stdout: ok: a virtual timer counts the CPU's time
# expect stdout: ok: getitimer: what is left is less than the whole
# expect stdout: ok: timer_create
# expect stdout: ok: it fires once
# expect stdout: ok: with SI_TIMER
# expect stdout: ok: and the value it was given
# expect stdout: ok: while blocked its expiries are counted
# expect stdout: ok: a deleted timer is gone
# expect stdout: ok: a child has no timers
# expect stdout: ok: but the parent's goes on
#
# Idea: a timer ends in a signal. A periodic one starts its next round when the signal is taken, so
# that they cannot pile up; how many rounds were missed is the overrun.
# While stepping: break on handler and compare the clock.

.include "linux.inc"
.include "signal.inc"
.include "time.inc"

.equ SI_TIMER, -2
.equ SIGEV_SIGNAL, 0

.text
.globl _start
_start:
    set_handler $SIGVTALRM, $count, $0
    set_timer $ITIMER_VIRTUAL, $0, $20000
spin:                           # no sleep would do
    cmpl $0, calls
    je spin
    check_equal "a virtual timer counts the CPU's time", $1, calls

    set_handler $SIGALRM, $count, $0
    set_timer $ITIMER_REAL, $0, $900000
    movl $ITIMER_REAL, %ebx
    movl $current, %ecx
    movl $__NR_getitimer, %eax
    int $0x80
    movl current + 12, %eax
    cmpl $900001, %eax
    sbbl %eax, %eax
    check_equal "getitimer: what is left is less than the whole", $-1, %eax
    set_timer $ITIMER_REAL, $0, $0

    set_handler $SIGUSR1, $queued, $SA_SIGINFO
    movl $CLOCK_MONOTONIC, %ebx
    movl $event, %ecx
    movl $timer, %edx
    movl $__NR_timer_create, %eax
    int $0x80
    check_equal "timer_create", $0, %eax
    movl $0, calls
    movl $once, %edx
    call set_posix_timer
    sys_pause
    sleep_ns $(30 * MILLISECOND)
    check_equal "it fires once", $1, calls
    check_equal "with SI_TIMER", $SI_TIMER, code
    check_equal "and the value it was given", $0x4711, value

    change_mask $SIG_BLOCK, $(1 << (SIGUSR1 - 1))
    movl $often, %edx
    call set_posix_timer
    sleep_ns $(105 * MILLISECOND)
    change_mask $SIG_UNBLOCK, $(1 << (SIGUSR1 - 1))
    movl timer, %ebx
    movl $__NR_timer_getoverrun, %eax
    int $0x80
    cmpl $3, %eax               # 9, but for a busy host
    sbbl %eax, %eax
    check_equal "while blocked its expiries are counted", $0, %eax
    movl timer, %ebx
    movl $__NR_timer_delete, %eax
    int $0x80
    movl timer, %ebx
    movl $__NR_timer_getoverrun, %eax
    int $0x80
    check_equal "a deleted timer is gone", $-EINVAL, %eax

    movl $0, calls
    set_timer $ITIMER_REAL, $0, $80000
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %esi
    sys_pause
    sys_waitpid %esi, $0, $0
    check_equal "but the parent's goes on", $1, calls
    sys_exit $0

child:
    movl $ITIMER_REAL, %ebx
    movl $current, %ecx
    movl $__NR_getitimer, %eax
    int $0x80
    movl current + 8, %eax
    orl current + 12, %eax
    check_equal "a child has no timers", $0, %eax
    sys_exit $0

set_posix_timer:
    movl timer, %ebx
    xorl %ecx, %ecx
    xorl %esi, %esi
    movl $__NR_timer_settime, %eax
    int $0x80
    ret

count:
    incl calls
    ret

queued:
    movl 8(%esp), %eax
    movl SI_CODE(%eax), %ecx
    movl %ecx, code
    movl SI_VALUE(%eax), %ecx
    movl %ecx, value
    incl calls
    ret

.data
calls:
    .long 0
code:
    .long 0
value:
    .long 0
timer:
    .long -1
current:
    .long 0, 0, 0, 0
event:
    .long 0x4711, SIGUSR1, SIGEV_SIGNAL
    .fill 13, 4, 0
once:
    .long 0, 0, 0, 10 * MILLISECOND
often:
    .long 0, 10 * MILLISECOND, 0, 10 * MILLISECOND

.include "print.inc"
