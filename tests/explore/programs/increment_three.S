# title: Three threads add one to a word, once each
# expect outputs: 3
# expect output-possible: 1
# expect output-possible: 3
# explore: --at memory
.include "linux.inc"
.include "process.inc"
.include "threads.inc"
.globl _start
_start:
    thread other, stack1_top, tid1
    thread other, stack2_top, tid2
    movl count, %eax
    incl %eax
    movl %eax, count
    join tid1
    join tid2
    addl $'0', count
    sys_write $STDOUT_FILENO, $count, $1
    sys_exit $0
other:
    movl count, %eax
    incl %eax
    movl %eax, count
    sys_exit $0
.data
count: .long 0
tid1:  .long 0
tid2:  .long 0
.bss
.balign 16
.zero 4096
stack1_top:
.zero 4096
stack2_top:
