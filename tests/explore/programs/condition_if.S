# title: A consumer tests with `if`, sleeps on a futex, and takes: another may have taken meanwhile
# expect deadlock: never
# expect output-possible: -1
# expect output-possible: 0
# explore: --at memory
.include "linux.inc"
.include "process.inc"
.include "threads.inc"
.ifndef AGAIN
.equ AGAIN, 0
.endif
# Two consumers and one item; whoever finds none waits until the bell has been rung, and then takes, without
# looking again (or with: AGAIN). `items` below zero: taken twice.
.globl _start
_start:
    thread consumer, stack_top, tid
    lock incl items
    incl bell
    invoke3 __NR_futex, $bell, $FUTEX_WAKE, $9
    call take
    join tid
    movl items, %eax
    testl %eax, %eax
    js 1f
    sys_write $STDOUT_FILENO, $zero, $1
    sys_exit $0
1:  sys_write $STDOUT_FILENO, $minus, $2
    sys_exit $0
consumer:
1:  cmpl $0, items
    jne 2f
    cmpl $0, bell
    jne 2f
    invoke4 __NR_futex, $bell, $FUTEX_WAIT, $0, $0
.if AGAIN
    jmp 1b
.endif
2:  lock decl items
    sys_exit $0
take:
    cmpl $0, items
    je 1f
    lock decl items
1:  ret
.data
items: .long 0
bell:  .long 0
tid:   .long 0
zero:  .ascii "0"
minus: .ascii "-1"
.bss
.balign 16
.zero 4096
stack_top:
