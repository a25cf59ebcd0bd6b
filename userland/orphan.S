# title: An orphan gets a new parent
# expect stdout: parent ends first
# expect stdout: child: reparented
#
# Idea: when a process ends, its children go to init (or to a nearer reaper, on a Linux with one),
# which waits for them. The child sees its getppid change.
# While stepping: break on reparented; info tasks shows init as the parent.

.include "linux.inc"

.text
.globl _start
_start:
    sys_getpid
    movl %eax, %esi
    sys_fork
    testl %eax, %eax
    js failed
    jz child
    say "parent ends first"
    sys_exit $0

child:
    sys_sched_yield
    sys_getppid
    cmpl %esi, %eax
    je child
reparented:
    say "child: reparented"
    sys_exit $0

failed:
    say "fork failed"
    sys_exit $1
