# title: 7. Who pays for the copy
# expect stdout: the parent has written
# expect stdout: the child has written
# expect report tasks[pid=2].cow_copied: 1
# expect report tasks[pid=2].cow_reused: 0
# expect report tasks[pid=3].cow_copied: 0
# expect report tasks[pid=3].cow_reused: 1
#
# Task: the child writes first and gets the copy. Turn it round: the parent writes first and pays, the
# child gets the page for itself. Do it with what is there: a child can yield until its parent has ended,
# for then getppid gives 1 (or another number than before).
# Know: the write bit is taken from both, so the parent's next write faults, too.
# While stepping: `break cow`: who, and which frame is left to whom?

.include "linux.inc"

.text
.globl _start
_start:
    movl $1, shared             # present before the fork
    sys_getpid
    movl %eax, %edi             # the child knows its parent's number from here
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    movl $2, shared
    say "the parent has written"
    sys_exit $0

child:
    movl $3, shared
    say "the child has written"
    sys_exit $0

.data
.balign PAGE_SIZE
shared:
    .long 0
