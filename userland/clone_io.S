# title: CLONE_IO: one I/O priority for two tasks
# expect stdout: ok: a priority
# expect stdout: ok: a fork: the child has the same
# expect stdout: ok: and its change is its own
# expect stdout: ok: CLONE_IO: again the same
# expect stdout: ok: and its change is everybody's
#
# Idea: a task's I/O priority is in a record of its own, made when it is first set. fork copies the record,
# CLONE_IO shares it: the disk scheduler then takes both tasks for one.
# While stepping: `break syscall clone`: copy_io, between copy_namespaces and copy_thread.

.include "linux.inc"
.include "process.inc"

.equ __NR_ioprio_get, 290
.equ IOPRIO_WHO_PROCESS, 1
.equ BEST_EFFORT_3, 0x4003      # class 2 in the upper bits, the level in the lower 13
.equ BEST_EFFORT_6, 0x4006
.equ CLONE_IO, 0x80000000

.text
.globl _start
_start:

    invoke3 __NR_ioprio_set, $IOPRIO_WHO_PROCESS, $0, $BEST_EFFORT_3
    check_equal "a priority", $0, %eax

    sys_clone $CHILD_SIGNAL
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid %eax, $status, $0
    check_equal "a fork: the child has the same", $0, status
    invoke2 __NR_ioprio_get, $IOPRIO_WHO_PROCESS, $0
    check_equal "and its change is its own", $BEST_EFFORT_3, %eax

    sys_clone $(CLONE_IO | CHILD_SIGNAL)
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid %eax, $status, $0
    check_equal "CLONE_IO: again the same", $0, status
    invoke2 __NR_ioprio_get, $IOPRIO_WHO_PROCESS, $0
    check_equal "and its change is everybody's", $BEST_EFFORT_6, %eax
    sys_exit $0

child:
    invoke2 __NR_ioprio_get, $IOPRIO_WHO_PROCESS, $0
    cmpl $BEST_EFFORT_3, %eax
    jne wrong
    invoke3 __NR_ioprio_set, $IOPRIO_WHO_PROCESS, $0, $BEST_EFFORT_6
    sys_exit $0
wrong:
    sys_exit $1

.data
status:
    .long -1

.include "print.inc"
