# title: A lock that fork leaves locked for ever
# expect stdout-any-order: parent: unlocked by the thread
# expect stdout-any-order: ok: child: still locked, by a thread that is not here
#
# Idea: fork copies the whole memory but only the calling thread. A lock that another thread held at that
# moment is locked in the child's copy too, and the thread that would unlock it is not there. That is why
# a child of a threaded program should do nothing but exec.
# While stepping: lock in both processes: in the parent it changes when the thread unlocks it, in the child never.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    sys_clone $CLONE_AS_THREAD, $thread_stack_top
    testl %eax, %eax
    js fork_failed
    jz thread
1:  sys_sched_yield             # until the thread has the lock
    cmpl $0, lock
    je 1b
    movl lock, %ebp             # its holder's tid
    cmpl %eax, %ebp
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %esi
    movl $1, forked             # the thread may unlock now
2:  sys_sched_yield
    cmpl $0, lock
    jne 2b
    say "parent: unlocked by the thread"
    movl $1, unlocked
    sys_waitpid %esi, $0, $0
    sys_exit $0

child:
    movl $50, %edi
3:  sys_sched_yield             # time enough for the thread, were it here
    decl %edi
    jnz 3b
    cmpl %ebp, lock
    check_zero_flag "child: still locked, by a thread that is not here"
    sys_exit $0

thread:
    movl $__NR_gettid, %eax
    int $0x80
    movl %eax, lock
4:  sys_sched_yield
    cmpl $0, forked
    je 4b
    movl $0, lock
5:  sys_sched_yield
    cmpl $0, unlocked
    je 5b
    sys_exit $0

.data
lock:                           # 0, or the tid of its holder
    .long 0
forked:
    .long 0
unlocked:
    .long 0

.bss
.balign 16
.zero 4096
thread_stack_top:

.include "print.inc"
