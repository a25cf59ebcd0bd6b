# title: A buffer that was not flushed before fork is written twice, in one way only
# expect outputs: 1
# expect output-possible: hihi
.include "linux.inc"
.globl _start
_start:
    movb $'h', buffer
    movb $'i', buffer + 1
    sys_fork
    movl %eax, %edi
    sys_write $STDOUT_FILENO, $buffer, $2
    testl %edi, %edi
    jz 1f
    sys_waitpid $ANY_CHILD, $0, $0
1:  sys_exit $0
.bss
buffer: .zero 16
