# title: Which gates are open to ring 3, and what each exception becomes
# expect stdout: int $14: signal 11
# expect stdout: int $8: signal 11
# expect stdout: int $0x7f: signal 11
# expect stdout: int3: signal 5
# expect stdout: int $3: signal 5
# expect stdout: into: signal 11
# expect stdout: bound: signal 11
# expect stdout: ud2: signal 4
# expect stdout: divide by zero: signal 8
# expect stdout: quotient too large: signal 8
# expect stdout: ok: into without overflow goes on
# expect stdout: ok: bound inside its limits goes on
#
# Idea: `int n` checks the DPL of gate n. Only the breakpoint (3), overflow (4) and system call
# (0x80) gates have DPL 3; through all others the program gets #GP with error code 8n + 2, not the
# exception it asked for. Exceptions by the CPU itself are not checked, and each becomes a signal.
# While stepping: break on a label; int $14 arrives at vector 13, with error code 0x72.

.include "linux.inc"

.text
.globl _start
_start:
    report_signal "int $14", int_14
    report_signal "int $8", int_8
    report_signal "int $0x7f", int_7f
    report_signal "int3", breakpoint
    report_signal "int $3", breakpoint_two_bytes
    report_signal "into", overflow
    report_signal "bound", out_of_bounds
    report_signal "ud2", undefined
    report_signal "divide by zero", divide_by_zero
    report_signal "quotient too large", divide_overflow

    movl $5, %eax
    addl $1, %eax               # OF = 0
    into
    check_equal "into without overflow goes on", $6, %eax
    bound %eax, limits
    check_equal "bound inside its limits goes on", $6, %eax
    sys_exit $0

int_14:
    int $14
    sys_exit $0
int_8:
    int $8
    sys_exit $0
int_7f:
    int $0x7f
    sys_exit $0
breakpoint:
    int3
    sys_exit $0
breakpoint_two_bytes:
    .byte 0xcd, 3               # assemblers write `int $3` as the one-byte int3
    sys_exit $0
overflow:
    movl $0x7fffffff, %eax
    addl $1, %eax               # OF = 1
    into
    sys_exit $0
out_of_bounds:
    movl $10, %eax
    bound %eax, limits
    sys_exit $0
undefined:
    ud2
    sys_exit $0
divide_by_zero:
    xorl %edx, %edx
    xorl %ecx, %ecx
    movl $1, %eax
    divl %ecx
    sys_exit $0
divide_overflow:
    movl $2, %edx               # 2 * 2^32 / 1 does not fit into %eax
    movl $1, %ecx
    divl %ecx
    sys_exit $0

.section .rodata
limits:                         # lowest and highest index allowed
    .long 0, 9

.include "print.inc"
