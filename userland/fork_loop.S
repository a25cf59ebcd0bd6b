# title: Fork, exit and wait, a hundred times
# expect stdout: children reaped: 100
# expect report frames.leaked: 0
#
# Idea: what a child took (a pid, page tables, a kernel stack) comes back when it is reaped. Each
# child ends with its own number, and the parent compares.
# Why 0: every child has been reaped when the program ends, so no frame may be left behind.
# While stepping: info frame before and after one round: as many free frames as before.

.include "linux.inc"

.equ ROUNDS, 100

.text
.globl _start
_start:
    xorl %esi, %esi
round:
    sys_fork
    testl %eax, %eax
    js fork_failed
    jnz parent
    sys_exit %esi               # the child's status: the round it was born in
parent:
    movl %eax, %edi
    pushl $-1                   # must be overwritten
    sys_waitpid %edi, %esp, $0
    popl %edx
    cmpl %edi, %eax
    jne wrong
    movl %esi, %ecx
    shll $8, %ecx               # exited (low byte 0), status in the next byte
    cmpl %ecx, %edx
    jne wrong
    incl %esi
    cmpl $ROUNDS, %esi
    jne round
    say_decimal "children reaped: ", %esi
    sys_exit $0
wrong:
    say_decimal "wrong pid or status in round ", %esi
    sys_exit $1

.include "print.inc"
