# title: 9. A child that copies nothing
# expect stdout: 6
# expect report tasks[pid=3].cow_copied: 0
# expect report tasks[pid=3].faults: 0
# expect report tasks[pid=3].exit_status: 6
#
# Task: the child computes 1 + 2 + 3 and ends with it. It does so with the stack, and the first push
# after the fork copies the stack's page. Let it compute without a page fault; the parent stays as it is.
# Know: registers are not memory.
# While stepping: `break cow` stops at the push; then `info cow $esp`.

.include "linux.inc"

.text
.globl _start
_start:
    pushl $0                    # the stack's page is present before the fork
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, %esp, $0
    movb 1(%esp), %al
    addb $'0', %al
    movb %al, digit
    sys_write $STDOUT_FILENO, $digit, $2
    sys_exit $0

child:
    pushl $1
    pushl $2
    pushl $3
    popl %esi
    popl %eax
    addl %eax, %esi
    popl %eax
    addl %eax, %esi
    sys_exit %esi

.data
digit:
    .ascii "0\n"
