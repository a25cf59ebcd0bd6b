# title: How many processes do four forks in a row make?
# expect stdout: processes: 16
#
# Idea: the question of every exam. Each fork doubles whoever is there, so n forks make 2 to the
# n. All run at once here; then everybody reaps the children that it made, until waitpid(-1) says
# ECHILD, and returns how many there were below.
# While stepping: break on forked; it is reached by 2, then 4, 8, 16 processes.

.include "linux.inc"

.equ FORKS, 4

.text
.globl _start
_start:
    movl $FORKS, %esi           # a counter that ends the bomb
    movl $1, %ebp               # 1 only in the first process
again:
    sys_fork
forked:
    testl %eax, %eax
    js fork_failed
    jnz 1f
    xorl %ebp, %ebp
1:  decl %esi
    jnz again

    movl $1, %edi               # count: this process, and all below
reap:
    pushl $0
    sys_waitpid $ANY_CHILD, %esp, $0
    popl %edx
    testl %eax, %eax
    js no_more
    movzbl %dh, %edx
    addl %edx, %edi
    jmp reap
no_more:
    cmpl $-ECHILD, %eax
    jne wrong_error
    testl %ebp, %ebp
    jnz first
    sys_exit %edi
first:
    say_decimal "processes: ", %edi
    sys_exit $0
wrong_error:
    say_decimal "waitpid failed: ", %eax
    sys_exit $1

.include "print.inc"
