# title: The status word
# expect stdout: exit(0): 0x0
# expect stdout: exit(7): 0x700
# expect stdout: exit(255): 0xff00
# expect stdout: exit(256 + 3): 0x300
# expect stdout: exit(-1): 0xff00
# expect stdout: exit_group(9): 0x900
# expect stdout: SIGSEGV: 0xb
# expect stdout: SIGFPE: 0x8
# expect stdout: SIGILL: 0x4
# expect stdout: SIGTRAP: 0x5
#
# Idea: one word tells how a child ended. Low seven bits: the signal that killed it, 0 when it
# called exit (WIFEXITED). Second byte: the low eight bits of its exit status. Bit 7, a core dump,
# is masked off, as it depends on limits outside the program.
# While stepping: break on a label below; for the signals, follow the exception into the kernel.

.include "linux.inc"

.macro show name, entry
    run_child \entry
    say_hex "\name: ", %eax
.endm

.text
.globl _start
_start:
    show "exit(0)", exit_0
    show "exit(7)", exit_7
    show "exit(255)", exit_255
    show "exit(256 + 3)", exit_259
    show "exit(-1)", exit_minus_1
    show "exit_group(9)", exit_group_9
    show "SIGSEGV", bad_address
    show "SIGFPE", divide_by_zero
    show "SIGILL", undefined
    show "SIGTRAP", breakpoint
    sys_exit $0

exit_0:
    sys_exit $0
exit_7:
    sys_exit $7
exit_255:
    sys_exit $255
exit_259:
    sys_exit $(256 + 3)
exit_minus_1:
    sys_exit $-1
exit_group_9:
    movl $9, %ebx
    movl $__NR_exit_group, %eax
    int $0x80
bad_address:
    movl $0, 0
divide_by_zero:
    xorl %edx, %edx
    xorl %ecx, %ecx
    divl %ecx
undefined:
    ud2
breakpoint:
    int3
    sys_exit $99                # not reached: nobody is there to catch the trap

.include "print.inc"
