# title: Parent and child write a letter each: two outputs
# expect outputs: 2
# expect output-possible: pc
# expect output-possible: cp
# expect deadlock: never
.include "linux.inc"
.include "put.inc"
.globl _start
_start:
    sys_fork
    testl %eax, %eax
    jz child
    put "p"
    sys_waitpid $ANY_CHILD, $0, $0
    sys_exit $0
child:
    put "c"
    sys_exit $0
