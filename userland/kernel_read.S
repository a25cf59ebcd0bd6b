# title: A read of kernel memory
# expect stdout: about to read 0xc0100000
# expect signal: SIGSEGV
#
# Idea: not even looking is allowed. The kernel's text is there, one load away, and the U/S bit of
# its page-table entry is what stops the load.
# While stepping: `break trap 14`; error code 5: user, read, present. info page 0xc0100000.

.include "linux.inc"
.intel_syntax noprefix

.section .rodata
message:
    .ascii "about to read 0xc0100000\n"
.equ MESSAGE_LENGTH, . - message

.text
.globl _start
_start:
    mov eax, __NR_write
    mov ebx, STDOUT_FILENO
    mov ecx, offset message
    mov edx, MESSAGE_LENGTH
    int 0x80
    mov esi, KERNEL_ADDRESS
fault:
    mov ebx, dword ptr [esi]
    mov eax, __NR_exit          # not reached
    int 0x80
