# title: Copy-on-write: the kernel writes for a process, and must copy too
# expect stdout: parent: the kernel stored 0x700
# expect stdout: child: nothing was stored here
# expect report tasks[pid=2].cow_copied: 1
#
# Idea: waitpid stores the status word in user memory. That memory may be shared with a child at
# this moment, so the kernel's own store has to break the sharing as the process's would. CR0.WP
# is what makes a store from ring 0 fault on a read-only page.
# Two children: `sleeper` shares the page with us all along, `leaver` ends with status 7.
# Why 1: after the forks the parent writes nothing itself (no stack either); the kernel's store of
# the status finds two users of the page, the parent and sleeper.
# While stepping: break on before_wait, then `break cow`: the fault has a caller in the kernel.

.include "linux.inc"

.text
.globl _start
_start:
    movl $0, status             # present before the fork
    sys_getpid
    movl %eax, %esi
    sys_fork
    testl %eax, %eax
    js failed
    jz sleeper
    sys_fork
    testl %eax, %eax
    js failed
    jz leaver
before_wait:
    sys_waitpid %eax, $status, $0
    cmpl $0x700, status
    jne failed
    say "parent: the kernel stored 0x700"
    sys_exit $0

leaver:
    sys_exit $7

sleeper:                        # until the parent has ended
    sys_sched_yield
    sys_getppid
    cmpl %esi, %eax
    je sleeper
    cmpl $0, status
    jne failed
    say "child: nothing was stored here"
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
.balign PAGE_SIZE
status:
    .long 0
