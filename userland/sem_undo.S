# title: SEM_UNDO: what a process took comes back when it ends
# expect stdout: ok: the child took both
# expect stdout: ok: its end gave one back, the one with SEM_UNDO
# expect stdout: ok: there is one to take again
# expect stdout: ok: the set is removed
#
# Idea: a semaphore operation with SEM_UNDO is remembered, and taken back at exit, however the process ends.
# fork does not inherit the memory of it; CLONE_SYSVSEM shares it.
# While stepping: exit_sem, between exit_mm and exit_files of the child.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

.equ SEMOP, 1
.equ SEMGET, 2
.equ SEMCTL, 3
.equ IPC_RMID, 0
.equ GETVAL, 12
.equ SETVAL, 16
    invoke4 __NR_ipc, $SEMGET, $0, $1, $0600
    movl %eax, set
    movl $2, argument
    invoke5 __NR_ipc, $SEMCTL, set, $0, $SETVAL, $argument
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid %eax, $status, $0
    check_equal "the child took both", $0, status
    invoke5 __NR_ipc, $SEMCTL, set, $0, $GETVAL, $argument
    check_equal "its end gave one back, the one with SEM_UNDO", $1, %eax
    # Sleep until a child's end gives back what it holds.
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz holder
    sys_waitpid %eax, $0, $0
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take
    check_equal "there is one to take again", $0, %eax
    invoke5 __NR_ipc, $SEMCTL, set, $0, $IPC_RMID, $argument
    check_equal "the set is removed", $0, %eax
    sys_exit $0

child:
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take_undo
    testl %eax, %eax
    jnz bad
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take
    testl %eax, %eax
    jnz bad
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $try
    cmpl $-EAGAIN, %eax         # IPC_NOWAIT: it would have to wait
    jne bad
    sys_exit $0
bad:
    sys_exit $1
holder:
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take_undo
    sys_exit $0

.section .rodata
take:                           # struct sembuf: number, operation, flags
    .short 0, -1, 0
take_undo:
    .short 0, -1, 0x1000
try:
    .short 0, -1, 04000

.data
set:
    .long 0
argument:
    .long 0
status:
    .long -1

.include "print.inc"
