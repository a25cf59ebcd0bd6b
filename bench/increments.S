# title: Three threads of two turns each add one to a word: anything from 2 to 6
# expect outputs: 5
# expect output-possible: 2
# expect output-possible: 6
# explore: --at memory
.include "linux.inc"
.include "process.inc"
.include "../tests/explore/programs/threads.inc"
.globl _start
_start:
    thread other, top1, tid1
    thread other, top2, tid2
    call add
    join tid1
    join tid2
    addl $'0', count
    sys_write $STDOUT_FILENO, $count, $1
    sys_exit $0
other:
    call add
    sys_exit $0
add:
    movl $2, %esi
1:  movl count, %eax
    incl %eax
    movl %eax, count
    decl %esi
    jnz 1b
    ret
.data
count: .long 0
tid1: .long 0
tid2: .long 0
.bss
.balign 16
.zero 4096
top1:
.zero 4096
top2:
