# title: Two children write a letter each into a pipe; the parent reads up to two bytes at a time
# expect outputs: 4
# expect deadlock: never
.include "linux.inc"
.include "process.inc"
.include "put.inc"
.globl _start
_start:
    invoke1 __NR_pipe, $ends
    movb $'a', letter
    sys_fork
    testl %eax, %eax
    jz child
    movb $'b', letter
    sys_fork
    testl %eax, %eax
    jz child
    invoke1 __NR_close, ends + 4
1:  invoke3 __NR_read, ends, $buffer, $2
    testl %eax, %eax
    jz 2f
    movb $'.', buffer(%eax)
    incl %eax
    sys_write $STDOUT_FILENO, $buffer, %eax
    jmp 1b
2:  sys_exit $0
child:
    sys_write ends + 4, $letter, $1
    sys_exit $0
.bss
ends: .zero 8
buffer: .zero 4
letter: .zero 4
