# title: The same by LOCK INC: nothing is lost, and there is no race
# expect outputs: 1
# expect output-possible: 2
# explore: --at memory
.include "linux.inc"
.include "process.inc"
.include "threads.inc"
.globl _start
_start:
    thread other, stack_top, tid
    lock incl count
    join tid
    addl $'0', count
    sys_write $STDOUT_FILENO, $count, $1
    sys_exit $0
other:
    lock incl count
    sys_exit $0
.data
count: .long 0
tid:   .long 0
.bss
.balign 16
.zero 4096
stack_top:
