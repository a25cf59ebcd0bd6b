# title: Namespaces: what a child no longer sees of its parent's system
# expect stdout: ok: CLONE_NEWUTS: its host name is its own
# expect stdout: ok: the parent's is as before
# expect stdout: ok: a plain child finds the semaphores
# expect stdout: ok: CLONE_NEWIPC: this one finds none
# expect stdout: ok: the set is removed
# expect stdout: ok: CLONE_NEWNS: mounts of its own, a child like any other
# expect stdout: ok: CLONE_NEWPID: it is number 1
# expect stdout: ok: and as such may have no brothers: EINVAL
# expect stdout: ok: for other users: CLONE_NEWUTS is EPERM
# expect stdout: ok: CLONE_NEWIPC is EPERM
# expect stdout: ok: CLONE_NEWNS is EPERM
# expect stdout: ok: CLONE_NEWPID is EPERM
# expect stdout: ok: none of these left a child
# native: no it needs root
#
# Idea: a namespace is one more thing that fork shares and clone can make anew: the host name, the semaphores, the
# mounts, the process numbers. Making one takes CAP_SYS_ADMIN.
# While stepping: `info task` of each child: its numbers; `break syscall clone` and finish, for the EPERM.

.include "linux.inc"
.include "process.inc"

.equ SEMGET, 2
.equ SEMCTL, 3
.equ IPC_RMID, 0
.equ IPC_CREAT, 01000
.equ KEY, 0x70796b

.text
.globl _start
_start:

    # CLONE_NEWUTS
    invoke1 __NR_uname, $names
    movl nodename, %ebp
    sys_clone $(CLONE_NEWUTS | CHILD_SIGNAL)
    testl %eax, %eax
    js fork_failed
    jz rename
    sys_waitpid %eax, $status, $0
    check_equal "CLONE_NEWUTS: its host name is its own", $('n' << 8), status
    invoke1 __NR_uname, $names
    check_equal "the parent's is as before", %ebp, nodename

    # CLONE_NEWIPC
    invoke4 __NR_ipc, $SEMGET, $KEY, $1, $(IPC_CREAT | 0600)
    movl %eax, set
    sys_clone $CHILD_SIGNAL
    testl %eax, %eax
    js fork_failed
    jz find
    sys_waitpid %eax, $status, $0
    check_equal "a plain child finds the semaphores", $0, status
    sys_clone $(CLONE_NEWIPC | CHILD_SIGNAL)
    testl %eax, %eax
    js fork_failed
    jz find
    sys_waitpid %eax, $status, $0
    check_equal "CLONE_NEWIPC: this one finds none", $(ENOENT << 8), status
    invoke5 __NR_ipc, $SEMCTL, set, $0, $IPC_RMID, $names
    check_equal "the set is removed", $0, %eax

    # CLONE_NEWNS
    sys_clone $(CLONE_NEWNS | CHILD_SIGNAL)
    testl %eax, %eax
    js fork_failed
    jz quiet
    sys_waitpid %eax, $status, $0
    check_equal "CLONE_NEWNS: mounts of its own, a child like any other", $0, status

    # CLONE_NEWPID
    sys_clone $(CLONE_NEWPID | CHILD_SIGNAL)
    testl %eax, %eax
    js fork_failed
    jz first
    sys_waitpid %eax, $0, $0

    # somebody else
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz nobody
    sys_waitpid %eax, $0, $0
    sys_exit $0

rename:
    invoke2 __NR_sethostname, $new_name, $3
    invoke1 __NR_uname, $names
    movzbl nodename, %eax
    sys_exit %eax

find:                           # exits with the error number
    invoke4 __NR_ipc, $SEMGET, $KEY, $1, $0
    xorl %ebx, %ebx
    testl %eax, %eax
    jns 1f
    subl %eax, %ebx
1:  invoke0 __NR_exit

quiet:
    sys_exit $0

first:
    sys_getpid
    check_equal "CLONE_NEWPID: it is number 1", $1, %eax
    sys_clone $(CLONE_PARENT | CHILD_SIGNAL)
    check_equal "and as such may have no brothers: EINVAL", $-EINVAL, %eax
    sys_exit $0

nobody:
    invoke1 __NR_setuid, $54321
    sys_clone $(CLONE_NEWUTS | CHILD_SIGNAL)
    check_equal "for other users: CLONE_NEWUTS is EPERM", $-EPERM, %eax
    sys_clone $(CLONE_NEWIPC | CHILD_SIGNAL)
    check_equal "CLONE_NEWIPC is EPERM", $-EPERM, %eax
    sys_clone $(CLONE_NEWNS | CHILD_SIGNAL)
    check_equal "CLONE_NEWNS is EPERM", $-EPERM, %eax
    sys_clone $(CLONE_NEWPID | CHILD_SIGNAL)
    check_equal "CLONE_NEWPID is EPERM", $-EPERM, %eax
    sys_waitpid $ANY_CHILD, $0, $0
    check_equal "none of these left a child", $-ECHILD, %eax
    sys_exit $0

.section .rodata
new_name:
    .ascii "new"

.data
set:
    .long 0
status:
    .long -1

.bss
names:
    .zero 65
nodename:
    .zero 325

.include "print.inc"
