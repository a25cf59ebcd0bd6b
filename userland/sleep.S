# title: Sleeping, clocks and alarms
# expect stdout: ok: sleeping took at least as long as asked
# expect stdout: ok: and the CPU was not used for it
# expect stdout: ok: a time that is none
# expect stdout: ok: the past is no wait
# expect stdout: first
# expect stdout: second
# expect stdout: third
# expect stdout: ok: an alarm ends a pause
# expect stdout: ok: a new alarm tells what was left of the old one
# expect stdout: ok: a periodic timer came three times
# expect stdout: ok: a clock that is none
#
# Idea: a sleeper is a timer in a queue, ordered by time, and a task in state S. When nobody can run the
# CPU halts; here the clock then jumps to the next timer, so that an hour costs no more than a second.
# While stepping: break on asleep, step over the call: cycles grow by the time that was slept.

.include "linux.inc"
.include "signal.inc"
.include "time.inc"

.text
.globl _start
_start:
    read_clock $CLOCK_MONOTONIC
    movl %eax, %edi
    read_clock $CLOCK_PROCESS_CPUTIME_ID
    movl %eax, %ebp
asleep:
    sleep_ns $(50 * MILLISECOND)
    read_clock $CLOCK_MONOTONIC
    subl %edi, %eax
    cmpl $50000, %eax
    sbbl %eax, %eax
    check_equal "sleeping took at least as long as asked", $0, %eax
    read_clock $CLOCK_PROCESS_CPUTIME_ID
    subl %ebp, %eax
    cmpl $40000, %eax
    sbbl %eax, %eax
    check_equal "and the CPU was not used for it", $-1, %eax
    sleep_ns $1000000000
    check_equal "a time that is none", $-EINVAL, %eax
    movl $CLOCK_MONOTONIC, %ebx
    movl $TIMER_ABSTIME, %ecx
    movl $past, %edx
    movl $0, %esi
    movl $__NR_clock_nanosleep, %eax
    int $0x80
    check_equal "the past is no wait", $0, %eax

    # Three children that sleep for different times.
    movl $third, %esi
    movl $(150 * MILLISECOND), %edi
    call spawn
    movl $first, %esi
    movl $(50 * MILLISECOND), %edi
    call spawn
    movl $second, %esi
    movl $(100 * MILLISECOND), %edi
    call spawn
    sys_waitpid $ANY_CHILD, $0, $0
    sys_waitpid $ANY_CHILD, $0, $0
    sys_waitpid $ANY_CHILD, $0, $0

    set_handler $SIGALRM, $handler, $0
    movl $1, %ebx
    movl $__NR_alarm, %eax
    int $0x80
    sys_pause
    check_equal "an alarm ends a pause", $1, calls
    movl $100, %ebx
    movl $__NR_alarm, %eax
    int $0x80
    movl $0, %ebx
    movl $__NR_alarm, %eax
    int $0x80
    check_equal "a new alarm tells what was left of the old one", $100, %eax

    set_timer $ITIMER_REAL, $20000, $20000
1:  sys_pause
    cmpl $4, calls
    jb 1b
    set_timer $ITIMER_REAL, $0, $0
    check_equal "a periodic timer came three times", $4, calls

    movl $99, %ebx
    movl $past, %ecx
    movl $__NR_clock_gettime, %eax
    int $0x80
    check_equal "a clock that is none", $-EINVAL, %eax
    sys_exit $0

spawn:                          # a child that prints the line at %esi, its length behind it, after %edi ns
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz 1f
    ret
1:  sleep_ns %edi
    movl 8(%esi), %edx
    sys_write $STDOUT_FILENO, %esi, %edx
    sys_exit $0

handler:
    incl calls
    ret

.data
calls:
    .long 0
past:
    .long 0, 1
first:
    .ascii "first\n  "
    .long 6
second:
    .ascii "second\n "
    .long 7
third:
    .ascii "third\n  "
    .long 6

.include "print.inc"
