# title: A program that single-steps itself
# expect stdout: about to set TF
# expect signal: SIGTRAP
#
# Idea: with the trap flag set the CPU raises vector 1 after each instruction. A debugger sets it
# for a child; here the program does it, and since nobody traces it, the signal kills it.
# The trap comes after the instruction behind popf, not after popf.
# While stepping: `break trap 1`; EIP on the frame is `trapped`, and TF is set in the EFLAGS there
# but no more in the CPU's.

.include "linux.inc"

.equ TF, 0x100

.text
.globl _start
_start:
    say "about to set TF"
    pushfl
    orl $TF, (%esp)
    popfl
    nop                         # this one still completes
trapped:
    sys_exit $0
