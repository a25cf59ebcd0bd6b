# title: Process groups and sessions
# expect stdout: ok: a child is in its parent's group
# expect stdout: ok: the parent gives it one of its own
# expect stdout: ok: named after it
# expect stdout: ok: nobody is left in ours
# expect stdout: ok: wait for a group finds it
# expect stdout: ok: the child was right, too
# expect stdout: ok: setpgid of nobody: ESRCH
#
# Idea: a child starts in its parent's group and session. It can be put into a group of its own, by the
# parent too until it execs; a session leader stays what it is. wait can be told to look at a group.
# While stepping: `info task`: pgrp and session of each.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    invoke0 __NR_getpgrp
    movl %eax, %ebp
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %edi
    invoke1 __NR_getpgid, %edi
    cmpl %eax, %ebp
    check_zero_flag "a child is in its parent's group"
    invoke2 __NR_setpgid, %edi, $0
    check_equal "the parent gives it one of its own", $0, %eax
    invoke1 __NR_getpgid, %edi
    cmpl %eax, %edi
    check_zero_flag "named after it"
    movl %edi, %esi
    negl %esi
    sys_waitpid $0, $0, $WNOHANG
    check_equal "nobody is left in ours", $-ECHILD, %eax
    sys_waitpid %esi, $status, $0
    cmpl %eax, %edi
    check_zero_flag "wait for a group finds it"
    check_equal "the child was right, too", $0, status
    invoke2 __NR_setpgid, $0x7ffffff, $0
    check_equal "setpgid of nobody: ESRCH", $-ESRCH, %eax
    sys_exit $0
child:
    sys_sched_yield
    invoke0 __NR_getpgrp
    cmpl %eax, %ebp
    je child                    # until the parent has moved us
    invoke0 __NR_setsid         # a group leader cannot
    cmpl $-EPERM, %eax
    jne bad
    sys_fork
    testl %eax, %eax
    jz second
    sys_waitpid %eax, $status, $0
    cmpl $0, status
    jne bad
    sys_exit $0
second:
    invoke0 __NR_setsid
    movl %eax, %esi
    sys_getpid
    cmpl %eax, %esi
    jne bad
    invoke1 __NR_getsid, $0
    cmpl %eax, %esi
    jne bad
    sys_exit $0
bad:
    sys_exit $1

.data
status:
    .long -1

.include "print.inc"
