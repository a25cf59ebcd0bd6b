# title: Process numbers wrap around, and skip who is there
# expect stdout: ok: the highest is pid_max - 1
# expect stdout: ok: after the first round, none below 300
# expect stdout: a number in use is not given again
# options: --sysctl kernel.pid_max=310
# native: no it would need a new kernel.pid_max
#
# Idea: numbers grow by one until kernel.pid_max, here 310; then they start again at 300, the numbers below
# being kept for the system. A number that is still in use is skipped.
# While stepping: k.pids.last at each fork.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    movl $0, highest
    movl $400, %edi             # the numbers are used up long before
again:
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    cmpl highest, %eax
    jbe 1f
    movl %eax, highest
1:  cmpl $310, %eax
    jae too_high
    movl %eax, %esi
    sys_waitpid %esi, $0, $0
    decl %edi
    jnz again
    check_equal "the highest is pid_max - 1", $309, highest
    cmpl $300, %esi
    setae %al
    movzbl %al, %eax
    check_equal "after the first round, none below 300", $1, %eax
    sys_fork                    # one that stays
    testl %eax, %eax
    jz sleeper
    movl %eax, %ebp
    movl $30, %edi
2:  sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    cmpl %eax, %ebp
    je taken
    sys_waitpid %eax, $0, $0
    decl %edi
    jnz 2b
    say "a number in use is not given again"
    sys_exit $0
child:
    sys_exit $0
sleeper:
    movl $200, %edi
3:  sys_sched_yield
    decl %edi
    jnz 3b
    sys_exit $0
too_high:
    say_decimal "too high: ", %eax
    sys_exit $1
taken:
    say "given twice"
    sys_exit $1

.data
highest:
    .long 0

.include "print.inc"
