# title: Hello: a system call
# expect stdout: Hello from ring 3
#
# Idea: a program cannot write to the screen itself. It puts a number and arguments into registers
# and asks the kernel, through the one gate that is open to it: interrupt 0x80.
# While stepping: break on _start; at `int $0x80` one step goes from ring 3 to the first
# instruction of system_call, on another stack. Look at CS, SS and ESP before and after.

.include "linux.inc"

.text
.globl _start
_start:
    movl $__NR_write, %eax      # which call
    movl $STDOUT_FILENO, %ebx   # first argument: where to
    movl $message, %ecx         # second: from which address
    movl $MESSAGE_LENGTH, %edx  # third: how many bytes
    int $0x80                   # result in %eax: bytes written
    sys_exit $0

.section .rodata
message:
    .ascii "Hello from ring 3\n"
.equ MESSAGE_LENGTH, . - message
