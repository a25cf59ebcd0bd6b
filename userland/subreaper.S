# title: An orphan goes to the nearest subreaper
# expect stdout: ok: the new parent is the subreaper
# expect stdout: ok: the orphan is ours to reap
#
# Idea: a process whose parent ends gets a new one: another thread of that parent, or the nearest ancestor
# that has declared itself a subreaper, or init.
# While stepping: the parent of the grandchild before and after its parent's exit.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    invoke2 __NR_prctl, $PR_SET_CHILD_SUBREAPER, $1
    sys_getpid
    movl %eax, reaper
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid %eax, $0, $0
    sys_waitpid $ANY_CHILD, $status, $0
    testl %eax, %eax
    jle fork_failed
    check_equal "the orphan is ours to reap", $0x900, status
    sys_exit $0
child:
    sys_getpid
    movl %eax, maker
    sys_fork
    testl %eax, %eax
    jz grandchild
    sys_exit $0
grandchild:
    sys_sched_yield
    sys_getppid
    cmpl %eax, maker
    je grandchild               # until it is an orphan
    cmpl %eax, reaper
    check_zero_flag "the new parent is the subreaper"
    sys_exit $9

.data
reaper:
    .long 0
maker:
    .long 0
status:
    .long 0

.include "print.inc"
