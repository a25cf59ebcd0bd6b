# title: Copy-on-write: the first writer copies, the last one reuses
# expect stdout: child wrote, parent still reads 1
# expect report tasks[pid=2].cow_copied: 0
# expect report tasks[pid=2].cow_reused: 1
# expect report tasks[pid=3].cow_copied: 1
# expect report tasks[pid=3].cow_reused: 0
#
# Idea: fork takes the write bit of every private page from both processes. At a write fault the
# kernel asks how many use the frame: two, so the writer gets a copy; one, so it gets the write
# bit back.
# Why these counts: only the page of `shared` is written after fork (nothing here uses the user's
# stack, waitpid stores no status). The child writes while the parent has it mapped: one copy. It
# exits, so the parent is the only user left when it writes: one reuse. Second writes by either do
# not fault.
# While stepping: `break cow`; look at the frame's reference count (info frame) at both faults.

.include "linux.inc"

.text
.globl _start
_start:
    movl $1, shared             # present before the fork, so there is something to share
    sys_fork
    testl %eax, %eax
    js failed
    jz child

parent:
    sys_waitpid %eax, $0, $0
    cmpl $1, shared             # reading never faults
    jne failed
    say "child wrote, parent still reads 1"
reuse:
    movl $3, shared
    movl $4, shared
    sys_exit $0

child:
copy:
    movl $2, shared
    movl $5, shared
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
.balign PAGE_SIZE
shared:
    .long 0
