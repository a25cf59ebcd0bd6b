# title: A handler that runs at a fault
# expect outputs: 1
# expect deadlock: never
#
# Idea: between the parent's two writes nobody is asked but the page fault; a signal that has come
# by then is handled there, and its handler's count is part of the status.

.include "linux.inc"
.include "process.inc"
.include "signal.inc"
.text
.globl _start
_start:
    set_handler $SIGUSR1, $handler, $0
    sys_getpid
    movl %eax, %esi
    sys_fork
    testl %eax, %eax
    jz child
    movl $1, word               # copies the page
    movl calls, %ebx
    movl $__NR_exit, %eax
    int $0x80
child:
    sys_kill %esi, $SIGUSR1
    sys_exit $0
handler:
    incl calls
    ret

.data
word:
    .long 0
calls:
    .long 0
