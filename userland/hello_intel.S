# title: Hello, in Intel's notation
# expect stdout: Hello in Intel syntax
# expect status: 21
#
# Idea: AT&T and Intel notation are two spellings of the same bytes. Intel writes the destination
# first, no % and no $; `offset` means the address itself, not what is there. The exit status is
# the number of bytes that write returned, minus the newline.
# While stepping: compare the bytes of each instruction with those of hello.S.

.include "linux.inc"
.intel_syntax noprefix

# Before its use: in Intel notation a name not yet known is taken as a place in memory.
.section .rodata
message:
    .ascii "Hello in Intel syntax\n"
.equ MESSAGE_LENGTH, . - message

.text
.globl _start
_start:
    mov eax, __NR_write
    mov ebx, STDOUT_FILENO
    mov ecx, offset message
    mov edx, MESSAGE_LENGTH
    int 0x80
    lea ebx, [eax - 1]
    mov eax, __NR_exit
    int 0x80
