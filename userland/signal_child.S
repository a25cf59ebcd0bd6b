# title: What SIGCHLD says, and children that nobody waits for
# expect stdout: ok: an exit: CLD_EXITED
# expect stdout: ok: with the child's pid
# expect stdout: ok: and its exit status
# expect stdout: ok: a death: CLD_KILLED
# expect stdout: ok: with the signal
# expect stdout: ok: SA_NOCLDWAIT: no zombie, ECHILD
# expect stdout: ok: but SIGCHLD comes
# expect stdout: ok: SIG_IGN: no zombie either
# expect stdout: ok: the default action is to do nothing, and leave a zombie
#
# Idea: ignoring SIGCHLD, which is ignored by default as it is, means something: children are then
# reaped by the kernel, and wait only returns when there are none left.
# While stepping: break on handler: 12 bytes into siginfo is the pid, at 20 the status.

.include "linux.inc"
.include "signal.inc"

.text
.globl _start
_start:
    set_handler $SIGCHLD, $handler, $(SA_SIGINFO | SA_RESTART)
    movl $exit_5, %ebp
    call spawn
    sys_waitpid %edi, $0, $0
    check_equal "an exit: CLD_EXITED", $CLD_EXITED, code
    check_equal "with the child's pid", %edi, pid
    check_equal "and its exit status", $5, status
    movl $die, %ebp
    call spawn
    sys_waitpid %edi, $0, $0
    check_equal "a death: CLD_KILLED", $CLD_KILLED, code
    check_equal "with the signal", $SIGTERM, status

    movl $0, calls
    set_handler $SIGCHLD, $handler, $(SA_SIGINFO | SA_RESTART | SA_NOCLDWAIT)
    movl $exit_5, %ebp
    call spawn
    sys_waitpid %edi, $0, $0
    check_equal "SA_NOCLDWAIT: no zombie, ECHILD", $-ECHILD, %eax
    check_equal "but SIGCHLD comes", $1, calls

    set_handler $SIGCHLD, $SIG_IGN, $0
    call spawn
    sys_waitpid %edi, $0, $0
    check_equal "SIG_IGN: no zombie either", $-ECHILD, %eax

    set_handler $SIGCHLD, $SIG_DFL, $0
    call spawn
    sys_waitpid %edi, $0, $0
    check_equal "the default action is to do nothing, and leave a zombie", %edi, %eax
    sys_exit $0

spawn:                          # a child that goes on at %ebp; its pid in %edi
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz 1f
    movl %eax, %edi
    ret
1:  jmp *%ebp

exit_5:
    sys_exit $5
die:
    kill_self $SIGTERM

handler:
    movl 8(%esp), %eax
    movl SI_CODE(%eax), %ecx
    movl %ecx, code
    movl SI_PID(%eax), %ecx
    movl %ecx, pid
    movl SI_STATUS(%eax), %ecx
    movl %ecx, status
    incl calls
    ret

.data
code:
    .long 0
pid:
    .long 0
status:
    .long 0
calls:
    .long 0

.include "print.inc"
