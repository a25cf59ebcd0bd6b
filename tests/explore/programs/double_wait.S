# title: One child is waited for twice: the second time there is none
# expect outputs: 1
.include "linux.inc"
.include "put.inc"
.globl _start
_start:
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid $ANY_CHILD, $0, $0
    sys_waitpid $ANY_CHILD, $0, $0
    cmpl $-ECHILD, %eax
    jne 1f
    put "none"
    sys_exit $0
1:  sys_exit $1
child:
    sys_exit $0
