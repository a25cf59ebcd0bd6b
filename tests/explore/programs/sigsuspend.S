# title: The same with the signal blocked until sigsuspend: it is never lost
# expect outputs: 1
# expect output-possible: woken
# expect deadlock: never
.include "linux.inc"
.include "signal.inc"
.include "put.inc"
.globl _start
_start:
    set_handler $SIGUSR1, $note, $0
    change_mask $SIG_BLOCK, $(1 << (SIGUSR1 - 1))
    sys_getpid
    movl %eax, %edi
    sys_fork
    testl %eax, %eax
    jz child
1:  cmpl $0, flag
    jne 2f
    suspend $0
    jmp 1b
2:  put "woken"
    sys_exit $0
child:
    sys_kill %edi, $SIGUSR1
    sys_exit $0
note:
    movl $1, flag
    ret
.data
flag: .long 0
