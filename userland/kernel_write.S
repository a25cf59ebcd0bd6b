# title: A write to kernel memory
# expect stdout: about to write to 0xc0100000
# expect signal: SIGSEGV
#
# Idea: the kernel is mapped in every address space, but its pages are for the supervisor only.
# Ring 3 gets a page fault, and no area of the process covers the address. (On a 64-bit Linux
# nothing is mapped there for a 32-bit process: same signal.)
# While stepping: `break trap 14`; error code 7 here: user, write, present. Compare with
# null_write.S.

.include "linux.inc"

.text
.globl _start
_start:
    say "about to write to 0xc0100000"
fault:
    movl $1, KERNEL_ADDRESS
    sys_exit $0
