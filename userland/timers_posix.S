# title: What a timer does beside other signals, and what it says of itself
# expect stdout: ok: a signal from elsewhere is pending, the timer's comes beside it
# expect stdout: ok: and the timer goes on
# expect stdout: ok: timer_gettime: the interval
# expect stdout: ok: and less than that is left
# expect stdout: ok: SIGEV_NONE: no signal, only the time
# expect stdout: ok: a point of time that is past: at once
# expect stdout: ok: switched off, it says 0
# expect stdout: ok: a clock that is none: EINVAL
# expect stdout: ok: a signal that is none: EINVAL
# expect stdout: ok: a thread that is not ours: EINVAL
# expect stdout: ok: ns that are too many: EINVAL
# expect stdout: ok: a timer that is none: EINVAL
# expect stdout: ok: a timer of CPU time is made
# expect stdout: ok: asleep, it does not fire
# expect stdout: ok: busy, it does
# expect stdout: ok: setitimer tells what was set before
# expect stdout: ok: microseconds that are too many: EINVAL
# expect stdout: ok: a periodic SIGALRM that is blocked is there once
#
# Idea: a timer's signal is not lost because somebody else has raised the same one, for the timer brings
# its own record. It fires again when its signal has been taken.
# While stepping: break on count; `info tasks` shows the pending set.

.include "linux.inc"
.include "signal.inc"
.include "process.inc"
.include "time.inc"

.equ CLOCK_THREAD_CPUTIME_ID, 3
.equ SIGEV_SIGNAL,    0
.equ SIGEV_NONE,      1
.equ SIGEV_THREAD_ID, 4
.equ __NR_timer_gettime, 261
.equ USR1_BIT, 1 << (SIGUSR1 - 1)
.equ ALRM_BIT, 1 << (SIGALRM - 1)

# new_timer CLOCK, EVENT: its number in `timer`.
.macro new_timer clock, event
    invoke3 __NR_timer_create, \clock, \event, $timer
.endm

# arm FLAGS, TIMES: timer_settime.
.macro arm flags, times
    invoke4 __NR_timer_settime, timer, \flags, \times, $0
.endm

.macro ask
    invoke2 __NR_timer_gettime, timer, $current
.endm

.text
.globl _start
_start:
    set_handler $SIGUSR1, $count, $0
    set_handler $SIGALRM, $count, $0

    change_mask $SIG_BLOCK, $USR1_BIT
    kill_self $SIGUSR1
    new_timer $CLOCK_MONOTONIC, $usr1
    arm $0, $often
    sleep_ns $(50 * MILLISECOND)
    movl $3, told               # more than the two would say that they are counted twice
    change_mask $SIG_UNBLOCK, $USR1_BIT
    cmpl $2, calls
    setl %al
    testb %al, %al
    check_zero_flag "a signal from elsewhere is pending, the timer's comes beside it"
1:  cmpl $6, calls
    jl 1b
    check_equal "and the timer goes on", $3, told

    arm $0, $slow
    ask
    check_equal "timer_gettime: the interval", $(700 * MILLISECOND), current + 4
    movl current + 12, %eax
    decl %eax
    cmpl $(900 * MILLISECOND), %eax
    sbbl %eax, %eax
    check_equal "and less than that is left", $-1, %eax
    invoke1 __NR_timer_delete, timer

    movl $0, calls
    new_timer $CLOCK_MONOTONIC, $silent
    arm $0, $often
    sleep_ns $(25 * MILLISECOND)
    ask
    movl current + 12, %eax
    decl %eax
    cmpl $(10 * MILLISECOND), %eax
    sbbl %eax, %eax
    addl calls, %eax
    check_equal "SIGEV_NONE: no signal, only the time", $-1, %eax
    invoke1 __NR_timer_delete, timer

    new_timer $CLOCK_REALTIME, $0
    arm $TIMER_ABSTIME, $past
    check_equal "a point of time that is past: at once", $1, calls
    arm $0, $slow
    arm $0, $never
    ask
    movl current + 8, %eax
    orl current + 12, %eax
    check_equal "switched off, it says 0", $0, %eax
    arm $0, $broken
    movl %eax, told
    invoke1 __NR_timer_delete, timer

    new_timer $77, $0
    check_equal "a clock that is none: EINVAL", $-EINVAL, %eax
    new_timer $CLOCK_MONOTONIC, $unknown
    check_equal "a signal that is none: EINVAL", $-EINVAL, %eax
    new_timer $CLOCK_MONOTONIC, $stranger
    check_equal "a thread that is not ours: EINVAL", $-EINVAL, %eax
    check_equal "ns that are too many: EINVAL", $-EINVAL, told
    invoke2 __NR_timer_gettime, $999, $current
    check_equal "a timer that is none: EINVAL", $-EINVAL, %eax

    movl $0, calls
    new_timer $CLOCK_PROCESS_CPUTIME_ID, $usr1
    check_equal "a timer of CPU time is made", $0, %eax
    arm $0, $often
    sleep_ns $(50 * MILLISECOND)
    check_equal "asleep, it does not fire", $0, calls
2:  cmpl $3, calls
    jl 2b
    check_equal "busy, it does", $0, %eax
    invoke1 __NR_timer_delete, timer

    set_timer $ITIMER_REAL, $600000, $800000
    invoke3 __NR_setitimer, $ITIMER_REAL, $nothing, $current
    check_equal "setitimer tells what was set before", $600000, current + 4
    set_timer $ITIMER_REAL, $0, $1000000
    check_equal "microseconds that are too many: EINVAL", $-EINVAL, %eax

    movl $0, calls
    change_mask $SIG_BLOCK, $ALRM_BIT
    set_timer $ITIMER_REAL, $1000, $1000
    sleep_ns $(20 * MILLISECOND)
    movl $ALRM_BIT, %edi
    invoke3 __NR_setitimer, $ITIMER_REAL, $nothing, $0
    change_mask $SIG_UNBLOCK, $ALRM_BIT
    check_equal "a periodic SIGALRM that is blocked is there once", $1, calls
    sys_exit $0

count:
    incl calls
    ret

.data
calls:
    .long 0
told:
    .long 0
timer:
    .long -1
current:
    .long 0, 0, 0, 0
nothing:
    .long 0, 0, 0, 0
usr1:
    .long 1, SIGUSR1, SIGEV_SIGNAL
    .fill 13, 4, 0
silent:
    .long 1, 0, SIGEV_NONE
    .fill 13, 4, 0
unknown:
    .long 1, 65, SIGEV_SIGNAL
    .fill 13, 4, 0
stranger:
    .long 1, SIGUSR1, SIGEV_THREAD_ID, 1
    .fill 12, 4, 0
often:
    .long 0, 10 * MILLISECOND, 0, 10 * MILLISECOND
slow:
    .long 0, 700 * MILLISECOND, 0, 900 * MILLISECOND
past:
    .long 0, 0, 1, 0
never:
    .long 0, 0, 0, 0
broken:
    .long 0, 0, 0, 1000000000

.include "print.inc"
