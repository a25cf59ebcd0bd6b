# title: 8. Shared on purpose
# expect stdout: the parent reads 5
# expect report forks.fork: 1
# expect report tasks[pid=3].cow_copied: 0
#
# Task: the child writes 5 into memory from mmap, and the parent reads it after the child's end: it
# finds 0, for the memory is private, and the child has written a copy. Let both have the same memory.
# Know: mman.inc has flags for mmap; anonymous memory can be shared, too.
# While stepping: `info page` of the address in both (`task 3`): which frame?

.include "linux.inc"
.include "mman.inc"

.text
.globl _start
_start:
    sys_mmap $0, $PAGE_SIZE, $PROT_RW, $ANON_PRIVATE
    movl %eax, %esi
    movl $0, (%esi)
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    movl (%esi), %eax
    say_decimal "the parent reads ", %eax
    sys_exit $0

child:
    movl $5, (%esi)
    sys_exit $0

.include "print.inc"
