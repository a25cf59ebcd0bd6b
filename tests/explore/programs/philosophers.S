# title: Two philosophers take the left fork, then the right one: they may wait for each other for ever
# expect outputs: 3
# expect deadlock: possible
.include "linux.inc"
.include "process.inc"
.include "put.inc"
.equ SEMGET, 2
.equ SEMOP, 1
.ifndef ORDERED
.equ ORDERED, 0
.endif
.globl _start
_start:
    invoke4 __NR_ipc, $SEMGET, $0, $2, $0600
    movl %eax, set
    invoke5 __NR_ipc, $SEMOP, set, $2, $0, $lay
    sys_fork
    testl %eax, %eax
    jz second
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take0
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take1
    put "0"
    invoke5 __NR_ipc, $SEMOP, set, $2, $0, $lay
    sys_waitpid $ANY_CHILD, $0, $0
    sys_exit $0
second:
.if ORDERED
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take0
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take1
.else
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take1
    invoke5 __NR_ipc, $SEMOP, set, $1, $0, $take0
.endif
    put "1"
    invoke5 __NR_ipc, $SEMOP, set, $2, $0, $lay
    sys_exit $0
.data
set:   .long 0
lay:   .word 0, 1, 0, 1, 1, 0
take0: .word 0, -1, 0
take1: .word 1, -1, 0
