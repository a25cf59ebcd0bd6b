# title: Two turns each: anything from 2 to 4
# expect outputs: 3
# expect output-possible: 4
# expect output-possible: 2
# explore: --at memory
.include "linux.inc"
.include "process.inc"
.include "threads.inc"
.equ TURNS, 2
.ifndef TURNS
.equ TURNS, 1
.endif
.globl _start
_start:
    thread other, stack_top, tid
    movl $TURNS, %esi
1:  movl count, %eax
    incl %eax
    movl %eax, count
    decl %esi
    jnz 1b
    join tid
    addl $'0', count
    sys_write $STDOUT_FILENO, $count, $1
    sys_exit $0
other:
    movl $TURNS, %esi
1:  movl count, %eax
    incl %eax
    movl %eax, count
    decl %esi
    jnz 1b
    sys_exit $0
.data
count: .long 0
tid:   .long 0
.bss
.balign 16
.zero 4096
stack_top:
