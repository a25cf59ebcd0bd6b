# title: Look whether a file is there, and make it: both can find that it is not
# expect outputs: 3
# expect output-possible: made made 
# expect output-impossible: there there 
.include "linux.inc"
.include "process.inc"
.include "put.inc"
.equ __NR_access, 33
.globl _start
_start:
    sys_fork
    movl %eax, %edi
    invoke2 __NR_access, $name, $0
    testl %eax, %eax
    jz 1f
    invoke3 __NR_open, $name, $O_RDWR_CREATE, $0600
    put "made "
    jmp 2f
1:  put "there "
2:  testl %edi, %edi
    jz 3f
    sys_waitpid $ANY_CHILD, $0, $0
3:  sys_exit $0
.section .rodata
name: .asciz "/tmp/lock"
