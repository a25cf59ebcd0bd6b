# title: CLONE_SYSVSEM: one memory of what semaphores owe
# expect stdout: ok: a fork: the child's end gives back what it took
# expect stdout: ok: CLONE_SYSVSEM: it does not, its maker may still need it
# expect stdout: ok: but the last end does
#
# Idea: the list of SEM_UNDO operations is applied when its last user ends. A plain child starts with a list of
# its own; with CLONE_SYSVSEM it is its maker's, so threads can take and give back for each other.
# While stepping: `info task` of both children of `maker`: the undo list, and exit_sem at each end.

.include "linux.inc"
.include "process.inc"

.equ SEMOP, 1
.equ SEMGET, 2
.equ SEMCTL, 3
.equ IPC_RMID, 0
.equ GETVAL, 12
.equ SETVAL, 16

.text
.globl _start
_start:

    invoke4 __NR_ipc, $SEMGET, $0, $1, $0600
    movl %eax, set
    movl $2, argument
    invoke5 __NR_ipc, $SEMCTL, set, $0, $SETVAL, $argument

    sys_clone $CHILD_SIGNAL
    testl %eax, %eax
    js fork_failed
    jz taker
    sys_waitpid %eax, $0, $0
    call value
    check_equal "a fork: the child's end gives back what it took", $2, %eax

    sys_fork
    testl %eax, %eax
    js fork_failed
    jz maker
    sys_waitpid %eax, $status, $0
    check_equal "CLONE_SYSVSEM: it does not, its maker may still need it", $0x100, status
    call value
    pushl %eax
    invoke5 __NR_ipc, $SEMCTL, set, $0, $IPC_RMID, $argument
    popl %eax
    check_equal "but the last end does", $2, %eax
    sys_exit $0

maker:                          # exits with the value after its child's end
    sys_clone $(CLONE_SYSVSEM | CHILD_SIGNAL)
    testl %eax, %eax
    js fork_failed
    jz taker
    sys_waitpid %eax, $0, $0
    call value
    sys_exit %eax

taker:
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take_undo
    sys_exit $0

value:
    invoke5 __NR_ipc, $SEMCTL, set, $0, $GETVAL, $argument
    ret

.section .rodata
take_undo:                      # struct sembuf: number, operation, SEM_UNDO
    .short 0, -1, 0x1000

.data
set:
    .long 0
argument:
    .long 0
status:
    .long -1

.include "print.inc"
