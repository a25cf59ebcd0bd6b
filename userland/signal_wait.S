# title: Taking signals without a handler, and sending values
# expect stdout: ok: nothing there: EAGAIN at once
# expect stdout: ok: nor in 10 ms
# expect stdout: ok: a pending one is taken
# expect stdout: ok: siginfo says by whom
# expect stdout: ok: one sent while waiting, too
# expect stdout: ok: SI_QUEUE
# expect stdout: ok: with its value
# expect stdout: ok: real-time signals come lowest number first
# expect stdout: ok: and first in, first out
# expect stdout: ok: the second value
# expect stdout: ok: another signal ends the wait: EINTR
# expect stdout: ok: pretending to be the kernel is refused
#
# Idea: rt_sigtimedwait is the synchronous way: block the signal, then fetch it when it suits.
# rt_sigqueueinfo sends a word along, and below the real-time numbers no two of a kind.
# While stepping: break at each int 0x80 of take and look at `info tasks`: what is pending.

.include "linux.inc"
.include "signal.inc"
.include "time.inc"

.text
.globl _start
_start:
    sys_getpid
    movl %eax, parent
    movl $SIG_BLOCK, %ebx
    movl $wanted, %ecx
    xorl %edx, %edx
    movl $8, %esi
    movl $__NR_rt_sigprocmask, %eax
    int $0x80

    movl $zero, %edx
    call take
    check_equal "nothing there: EAGAIN at once", $-EAGAIN, %eax
    movl $soon, %edx
    call take
    check_equal "nor in 10 ms", $-EAGAIN, %eax

    sys_kill parent, $SIGUSR1
    movl $long, %edx
    call take
    check_equal "a pending one is taken", $SIGUSR1, %eax
    movl info + SI_PID, %eax
    check_equal "siginfo says by whom", parent, %eax

    sys_fork
    testl %eax, %eax
    js fork_failed
    jz sender
    movl $long, %edx
    call take
    check_equal "one sent while waiting, too", $SIGUSR1, %eax
    check_equal "SI_QUEUE", $SI_QUEUE, info + SI_CODE
    check_equal "with its value", $0x1234, info + SI_VALUE
    sys_waitpid $ANY_CHILD, $0, $0

    movl $1, %edi
    movl $(SIGRTMIN + 1), %ebp
    call queue
    movl $2, %edi
    movl $SIGRTMIN, %ebp
    call queue
    movl $3, %edi
    call queue
    movl $long, %edx
    call take
    check_equal "real-time signals come lowest number first", $SIGRTMIN, %eax
    check_equal "and first in, first out", $2, info + SI_VALUE
    movl $long, %edx
    call take
    check_equal "the second value", $3, info + SI_VALUE
    movl $long, %edx
    call take

    set_handler $SIGUSR2, $handler, $SA_RESTART
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz interrupter
    movl $long, %edx
    call take
    check_equal "another signal ends the wait: EINTR", $-EINTR, %eax
    sys_waitpid $ANY_CHILD, $0, $0

    movl $SI_USER, sent + SI_CODE
    movl $1, %ebx               # to somebody else
    movl $SIGUSR1, %ecx
    movl $sent, %edx
    movl $__NR_rt_sigqueueinfo, %eax
    int $0x80
    check_equal "pretending to be the kernel is refused", $-EPERM, %eax
    sys_exit $0

sender:
    sleep_ns $(10 * MILLISECOND)
    movl $0x1234, %edi
    movl $SIGUSR1, %ebp
    call queue
    sys_exit $0

interrupter:
    sleep_ns $(10 * MILLISECOND)
    sys_kill parent, $SIGUSR2
    sys_exit $0

take:                           # with the timeout at %edx
    movl $wanted, %ebx
    movl $info, %ecx
    movl $8, %esi
    movl $__NR_rt_sigtimedwait, %eax
    int $0x80
    ret

queue:                          # signal %ebp with value %edi to the parent
    movl %edi, sent + SI_VALUE
    movl $SI_QUEUE, sent + SI_CODE
    movl parent, %ebx
    movl %ebp, %ecx
    movl $sent, %edx
    movl $__NR_rt_sigqueueinfo, %eax
    int $0x80
    ret

handler:
    ret

.data
parent:
    .long 0
wanted:
    .long 1 << (SIGUSR1 - 1), 3 << (SIGRTMIN - 33)
zero:
    .long 0, 0
soon:
    .long 0, 10 * MILLISECOND
long:
    .long 20, 0
sent:
    .fill 32, 4, 0
info:
    .fill 32, 4, 0

.include "print.inc"
