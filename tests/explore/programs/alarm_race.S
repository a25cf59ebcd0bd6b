# title: A sleep and a shorter sleep in the child; with time as a choice both may still be working
# expect outputs: 2
# explore: --time free
.include "linux.inc"
.include "time.inc"
.include "put.inc"
.globl _start
_start:
    sys_fork
    testl %eax, %eax
    jz child
    sleep_ns $2000000
    put "p"
    sys_waitpid $ANY_CHILD, $0, $0
    sys_exit $0
child:
    sleep_ns $1000000
    put "c"
    sys_exit $0
