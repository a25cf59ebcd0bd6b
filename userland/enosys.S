# title: System calls that do not exist
# expect stdout: ok: number 9999
# expect stdout: ok: number 0x7fffffff
# expect stdout: ok: number -1
# expect stdout: ok: other registers unharmed
#
# Idea: the number is compared, unsigned, with the size of the table before it is used as an
# index. Without that comparison, -1 would be a jump to anywhere.
# While stepping: break on call_minus_1, step into system_call up to the compare.

.include "linux.inc"

.text
.globl _start
_start:
    movl $0x11111111, %ebx
    movl $0x22222222, %esi
    movl $9999, %eax
    int $0x80
    check_equal "number 9999", $-ENOSYS, %eax
    movl $0x7fffffff, %eax
    int $0x80
    check_equal "number 0x7fffffff", $-ENOSYS, %eax
call_minus_1:
    movl $-1, %eax
    int $0x80
    check_equal "number -1", $-ENOSYS, %eax
    addl %esi, %ebx
    check_equal "other registers unharmed", $0x33333333, %ebx
    sys_exit $0

.include "print.inc"
