# title: Flag tested, then pause: a signal in between is lost, and the parent sleeps for ever
# expect deadlock: possible
# expect output-possible: woken
.include "linux.inc"
.include "signal.inc"
.include "put.inc"
.globl _start
_start:
    set_handler $SIGUSR1, $note, $0
    sys_getpid
    movl %eax, %edi
    sys_fork
    testl %eax, %eax
    jz child
    sys_getppid                 # a call, so that there is something between fork and the test
    cmpl $0, flag
    jne 1f
    sys_pause
1:  put "woken"
    sys_exit $0
child:
    sys_kill %edi, $SIGUSR1
    sys_exit $0
note:
    movl $1, flag
    ret
.data
flag: .long 0
