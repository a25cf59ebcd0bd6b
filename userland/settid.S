# title: Where clone stores a child's number
# expect stdout: ok: in the parent's memory, at once
# expect stdout: ok: not where only the child's is written
# expect stdout: ok: the child found its own
# expect stdout: ok: a bad address does not undo the fork
#
# Idea: CLONE_PARENT_SETTID stores the number in the parent's memory before clone returns,
# CLONE_CHILD_SETTID in the child's, and in nobody else's. A bad address is the caller's loss: the child
# is made all the same.
# While stepping: schedule_tail, which ret_from_fork calls, stores in the child's memory: a write fault in ring 0 that
# breaks the sharing of the page.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    sys_clone $(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CHILD_SIGNAL), $0, $in_parent, $0, $in_child
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %ebp
    cmpl %eax, in_parent
    check_zero_flag "in the parent's memory, at once"
    check_equal "not where only the child's is written", $0, in_child
    sys_waitpid %ebp, $status, $0
    check_equal "the child found its own", $0, status
    sys_clone $(CLONE_PARENT_SETTID | CHILD_SIGNAL), $0, $KERNEL_ADDRESS, $0, $0
    testl %eax, %eax
    js fork_failed
    jz quiet
    sys_waitpid %eax, $status, $0
    check_equal "a bad address does not undo the fork", $0, status
    sys_exit $0

child:
    sys_getpid
    cmpl %eax, in_child
    jne wrong
quiet:
    sys_exit $0
wrong:
    sys_exit $1

.data
in_parent:
    .long 0
in_child:
    .long 0
status:
    .long -1

.include "print.inc"
