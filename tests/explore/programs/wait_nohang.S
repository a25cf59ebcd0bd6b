# title: waitpid with WNOHANG: the child has ended, or not yet; then it is a zombie that nobody waits for
# expect outputs: 2
.include "linux.inc"
.include "put.inc"
.globl _start
_start:
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid $ANY_CHILD, $0, $WNOHANG
    testl %eax, %eax
    jz 1f
    put "ended"
    sys_exit $0
1:  put "not yet"
    sys_exit $0
child:
    sys_exit $3
