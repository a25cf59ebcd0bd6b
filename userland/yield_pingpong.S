# title: Giving the CPU away
# expect stdout-any-order: ping 1
# expect stdout-any-order: ping 2
# expect stdout-any-order: ping 3
# expect stdout-any-order: pong 1
# expect stdout-any-order: pong 2
# expect stdout-any-order: pong 3
# expect stdout: game over
#
# Idea: sched_yield goes to the back of the queue. With two processes and one CPU they take turns;
# with two CPUs no order is promised, so none is expected here.
# While stepping: break on ping and pong; at each stop info tasks shows who is current.

.include "linux.inc"

.equ ROUNDS, 3

.text
.globl _start
_start:
    xorl %edi, %edi
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz pong
    movl %eax, %esi
ping:
    incl %edi
    say_decimal "ping ", %edi
    sys_sched_yield
    cmpl $ROUNDS, %edi
    jne ping
    sys_waitpid %esi, $0, $0
    say "game over"
    sys_exit $0

pong:
    incl %edi
    say_decimal "pong ", %edi
    sys_sched_yield
    cmpl $ROUNDS, %edi
    jne pong
    sys_exit $0

.include "print.inc"
