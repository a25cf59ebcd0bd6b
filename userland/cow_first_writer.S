# title: Copy-on-write: the parent can be the one who pays
# expect stdout: parent wrote 2
# expect stdout: child still reads 1
# expect report tasks[pid=2].cow_copied: 1
# expect report tasks[pid=2].cow_reused: 0
# expect report tasks[pid=3].cow_copied: 0
# expect report tasks[pid=3].cow_reused: 1
#
# Idea: the frame belongs to nobody in particular. When the parent writes first, it is the parent
# that moves to a new frame, and the child that keeps the old one, with the write bit back.
# Without pipes or signals a child can still notice one thing: that its parent has ended. It waits
# for that, so the order of the two writes is certain.
# Why these counts: one page is written after fork, by the parent with two users (copy), then by
# the child with one user (reuse); no stack is used, no status is stored.
# While stepping: break on parent and orphaned; compare the frame of `shared` in both.

.include "linux.inc"

.text
.globl _start
_start:
    movl $1, shared             # present before the fork
    sys_getpid
    movl %eax, %esi
    sys_fork
    testl %eax, %eax
    js failed
    jz child

parent:
    movl $2, shared             # the child is alive, and waits: two users
    say "parent wrote 2"
    sys_exit $0

child:
    sys_sched_yield
    sys_getppid
    cmpl %esi, %eax
    je child
orphaned:
    cmpl $1, shared
    jne failed
    say "child still reads 1"
    movl $3, shared             # the parent left this frame long ago: one user
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
.balign PAGE_SIZE
shared:
    .long 0
