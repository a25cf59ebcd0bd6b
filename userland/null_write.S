# title: A write to page 0
# expect stdout: about to write to address 0
# expect signal: SIGSEGV
#
# Idea: page 0 is never mapped, so that following a null pointer is noticed.
# While stepping: `break trap 14`; CR2 is 0, the error code is 6: user, write, not present. Follow
# it to the signal.

.include "linux.inc"
.intel_syntax noprefix

.section .rodata
message:
    .ascii "about to write to address 0\n"
.equ MESSAGE_LENGTH, . - message

.text
.globl _start
_start:
    mov eax, __NR_write
    mov ebx, STDOUT_FILENO
    mov ecx, offset message
    mov edx, MESSAGE_LENGTH
    int 0x80
    xor eax, eax
fault:
    mov dword ptr [eax], 1
    mov eax, __NR_exit          # not reached
    xor ebx, ebx
    int 0x80
