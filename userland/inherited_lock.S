# title: A lock that fork leaves locked for ever
# expect stdout: parent: unlocked by the thread
# expect status: 75
# native: no the child waits for ever, and nobody would end it there
#
# Idea: fork copies the whole memory but only the calling thread. A lock that another thread held at that
# moment is locked in the child's copy too, and the thread that would unlock it is not there: the child
# waits for ever. That is why a child of a threaded program should do nothing but exec. Here every task
# sleeps in the end, and the run says so: status 75, and who held the lock.
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
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %ebp
    movl $1, forked             # the thread may unlock now
    call take_lock
    say "parent: unlocked by the thread"
    sys_waitpid %ebp, $0, $0    # for ever
    sys_exit $0

child:
    call take_lock              # nobody is here to unlock it
    say "child: unlocked"
    sys_exit $1

take_lock:
    movl $__NR_gettid, %eax
    int $0x80
    movl %eax, %edi
1:  xorl %eax, %eax
    lock cmpxchgl %edi, lock
    je 2f
    movl %eax, %edx
    orl $FUTEX_WAITERS, %edx    # say that somebody sleeps, unless the word has changed
    lock cmpxchgl %edx, lock
    jne 1b
    invoke4 __NR_futex, $lock, $FUTEX_WAIT, %edx, $0
    jmp 1b
2:  ret

thread:
    movl $__NR_gettid, %eax
    int $0x80
    movl %eax, lock
4:  sys_sched_yield
    cmpl $0, forked
    je 4b
    movl $0, lock
    invoke3 __NR_futex, $lock, $FUTEX_WAKE, $1
    sys_exit $0

.data
lock:                           # 0, or the tid of its holder; the top bit when somebody sleeps
    .long 0
forked:
    .long 0

.bss
.balign 16
.zero 4096
thread_stack_top:

.include "print.inc"
