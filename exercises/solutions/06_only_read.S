# title: 6. Four pages of nothing
# expect stdout: sum 0
# expect report faults.zero_page: 4
# expect report faults.not_present: 0
#
# Task: add up the first words of the four pages of `table`, which nobody has written. The program below
# writes them first, and gets four frames of its own. Let it read only: then all four lead to the one
# frame of zeros that everybody shares.
# Why these counts: a first read of anonymous memory maps the zero page, a first write a frame of its own.
# While stepping: `info page table` after each read: which frame, how many references?

.include "linux.inc"

.text
.globl _start
_start:
    xorl %esi, %esi
    movl $table, %edi
next:
    addl (%edi), %esi
    addl $PAGE_SIZE, %edi
    cmpl $table_end, %edi
    jb next
    say_decimal "sum ", %esi
    sys_exit $0

.bss
.balign PAGE_SIZE
table:
    .skip 4 * PAGE_SIZE
table_end:

.include "print.inc"
