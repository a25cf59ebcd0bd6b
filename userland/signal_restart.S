# title: What becomes of a system call that a signal interrupts
# expect stdout: ok: waitpid without SA_RESTART: EINTR
# expect stdout: ok: the handler ran first
# expect stdout: ok: waitpid with SA_RESTART goes on
# expect stdout: ok: and gives the child's pid
# expect stdout: ok: pause never restarts: EINTR
# expect stdout: ok: nanosleep never restarts: EINTR
# expect stdout: ok: it says what was left
# expect stdout: ok: an ignored signal does not end it
#
# Idea: a sleeping call that is interrupted answers with one of four secret numbers, which say whether
# it begins again behind the handler. They never reach a program: it sees EINTR, or nothing.
# While stepping: break on handler; in its frame SC_EAX is already -EINTR, or SC_EIP stands at the
# `int $0x80` again with the call's number in SC_EAX.

.include "linux.inc"
.include "signal.inc"
.include "time.inc"

.text
.globl _start
_start:
    sys_getpid
    movl %eax, parent

    # A child that signals its parent and then sleeps a while before it ends.
    set_handler $SIGUSR1, $handler, $0
    call fork_signaller
    sys_waitpid $ANY_CHILD, $0, $0
    check_equal "waitpid without SA_RESTART: EINTR", $-EINTR, %eax
    check_equal "the handler ran first", $1, calls
    sys_waitpid $ANY_CHILD, $0, $0

    set_handler $SIGUSR1, $handler, $SA_RESTART
    call fork_signaller
    sys_waitpid $ANY_CHILD, $0, $0
    movl %eax, %edi
    check_equal "waitpid with SA_RESTART goes on", $2, calls
    check_equal "and gives the child's pid", child, %edi

    call fork_signaller
    sys_pause
    check_equal "pause never restarts: EINTR", $-EINTR, %eax
    sys_waitpid $ANY_CHILD, $0, $0

    call fork_signaller
    movl $request, %ebx
    movl $remaining, %ecx
    movl $__NR_nanosleep, %eax
    int $0x80
    check_equal "nanosleep never restarts: EINTR", $-EINTR, %eax
    movl remaining, %eax
    shll $1, %eax
    orl remaining + 4, %eax
    cmpl $0, %eax               # something
    sete %al
    cmpb $0, %al
    jne 1f
    cmpl $30, remaining         # and less than all
    jae 2f
    xorl %eax, %eax
    jmp 1f
2:  orl $1, %eax
1:  check_zero_flag "it says what was left"
    sys_waitpid $ANY_CHILD, $0, $0

    set_handler $SIGUSR1, $SIG_IGN, $0
    call fork_signaller
    sleep_ns $(60 * MILLISECOND)
    check_equal "an ignored signal does not end it", $0, %eax
    sys_exit $0

fork_signaller:
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz 1f
    movl %eax, child
    ret
1:  sleep_ns $(20 * MILLISECOND) # the parent is in its call by now
    sys_kill parent, $SIGUSR1
    sleep_ns $(20 * MILLISECOND)
    sys_exit $0

handler:
    incl calls
    ret

.data
parent:
    .long 0
child:
    .long 0
calls:
    .long 0
request:
    .long 30, 0
remaining:
    .long 0, 0

.include "print.inc"
