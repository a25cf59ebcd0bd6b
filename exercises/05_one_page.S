# title: 5. Two variables, one copy
# expect stdout: 3
# expect report forks.fork: 1
# expect report faults.cow_copied: 1
# expect report faults.cow_reused: 1
#
# Task: the child writes `one` and `two`, and so does the parent, afterwards. Each of the two lies in a
# page of its own: two pages are copied. Change the data, not the code, so that one copy is enough.
# Why these counts: the first who writes a shared page gets a copy; the other is its only user by then
# and just gets the write bit back.
# While stepping: `break cow`, and `info page one`.

.include "linux.inc"

.text
.globl _start
_start:
    movl $1, one                # both are present before the fork
    movl $1, two
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    incl one
    movl one, %eax
    addl %eax, two
    movb two, %al
    addb $'0', %al
    movb %al, digit
    sys_write $STDOUT_FILENO, $digit, $2
    sys_exit $0

child:
    incl one
    incl two
    sys_exit $0

.data
.balign PAGE_SIZE
one:
    .long 0
.balign PAGE_SIZE
two:
    .long 0
digit:
    .ascii "0\n"
