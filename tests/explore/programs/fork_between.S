# title: A digit before, between and behind two forks: how often and in which order
# expect outputs: 3
# expect output-possible: 1223333
# expect output-impossible: 1333322
.include "linux.inc"
.include "put.inc"
.globl _start
_start:
    put "1"
    sys_fork
    put "2"
    sys_fork
    put "3"
3:  sys_waitpid $ANY_CHILD, $0, $0
    testl %eax, %eax
    jns 3b
    sys_exit $0
