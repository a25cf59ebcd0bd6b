# title: Peterson's lock around an addition by load and store: nothing is lost on one CPU
# expect outputs: 1
# expect output-possible: 2
# expect deadlock: never
# explore: --at memory
.include "linux.inc"
.include "process.inc"
.include "threads.inc"
# add MY, OTHER, TURN: enter, add one, leave.
.macro add my, other, turn
    movl $1, \my
.ifndef BROKEN
    movl $\turn, turn
1:  cmpl $0, \other
    je 2f
    cmpl $\turn, turn
    je 1b
.endif
2:  movl count, %eax
    incl %eax
    movl %eax, count
    movl $0, \my
.endm
.globl _start
_start:
    thread second, stack_top, tid
    add want0, want1, 1
    join tid
    addl $'0', count
    sys_write $STDOUT_FILENO, $count, $1
    sys_exit $0
second:
    add want1, want0, 0
    sys_exit $0
.data
count: .long 0
turn:  .long 0
want0: .long 0
want1: .long 0
tid:   .long 0
.bss
.balign 16
.zero 4096
stack_top:
