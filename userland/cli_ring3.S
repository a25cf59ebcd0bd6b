# title: cli in ring 3
# expect stdout: about to switch interrupts off
# expect signal: SIGSEGV
#
# Idea: a program that could switch interrupts off would own the machine: the timer could not take
# the CPU back. With CPL 3 and IOPL 0, cli is a general protection fault.
# While stepping: `break trap 13`; error code 0, EIP on the frame is that of the cli: a fault, not
# a trap.

.include "linux.inc"

.text
.globl _start
_start:
    say "about to switch interrupts off"
fault:
    cli
    say "not reached"
    sys_exit $0
