# title: Stopping a process and letting it go on
# expect stdout: ok: WUNTRACED tells of the stop
# expect stdout: ok: by SIGSTOP
# expect stdout: ok: once
# expect stdout: ok: WCONTINUED tells of the continuation
# expect stdout: ok: SIGCHLD came for the stop, too
# expect stdout: ok: a stopped process takes no signal
# expect stdout: handler of the child
# expect stdout: ok: only when it goes on
# expect stdout: ok: SIGCONT starts it even where it is ignored
# expect stdout: ok: SIGKILL does not wait for SIGCONT
# expect stdout: ok: SA_NOCLDSTOP: no SIGCHLD for stops
#
# Idea: stop and continue act on a whole process when they are raised, not when they are taken. The
# parent hears of both by SIGCHLD and wait.
# While stepping: `info tasks`: state T between the two; the stopped task's kernel stack ends in
# schedule.

.include "linux.inc"
.include "signal.inc"
.include "time.inc"

.text
.globl _start
_start:
    set_handler $SIGCHLD, $child_changed, $SA_RESTART
    set_handler $SIGUSR1, $speak, $SA_RESTART
    change_mask $SIG_BLOCK, $(1 << (SIGUSR1 - 1))
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz sleeper
    movl %eax, %edi

    sys_kill %edi, $SIGSTOP
    sys_waitpid %edi, $status, $WUNTRACED
    check_equal "WUNTRACED tells of the stop", %edi, %eax
    check_equal "by SIGSTOP", $(SIGSTOP << 8 | STATUS_STOPPED), status
    sys_waitpid %edi, $status, $(WUNTRACED | WNOHANG)
    check_equal "once", $0, %eax
    sys_kill %edi, $SIGCONT
    sys_waitpid %edi, $status, $WCONTINUED
    check_equal "WCONTINUED tells of the continuation", $STATUS_CONTINUED, status
    cmpl $0, changes
    setz %al
    testb %al, %al
    check_zero_flag "SIGCHLD came for the stop, too"

    sys_kill %edi, $SIGSTOP
    sys_waitpid %edi, $status, $WUNTRACED
    sys_kill %edi, $SIGUSR1
    sleep_ns $(20 * MILLISECOND)
    sys_waitpid %edi, $status, $(WNOHANG | WCONTINUED)
    check_equal "a stopped process takes no signal", $0, %eax
    sys_kill %edi, $SIGCONT
    sys_waitpid %edi, $status, $0
    check_equal "only when it goes on", $(3 << 8), status

    set_handler $SIGCONT, $SIG_IGN, $0
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz waiter
    movl %eax, %edi
    sys_kill %edi, $SIGSTOP
    sys_waitpid %edi, $status, $WUNTRACED
    sys_kill %edi, $SIGCONT
    sys_waitpid %edi, $status, $WCONTINUED
    check_equal "SIGCONT starts it even where it is ignored", $STATUS_CONTINUED, status
    sys_kill %edi, $SIGSTOP
    sys_waitpid %edi, $status, $WUNTRACED
    sys_kill %edi, $SIGKILL
    sys_waitpid %edi, $status, $0
    check_equal "SIGKILL does not wait for SIGCONT", $SIGKILL, status

    set_handler $SIGCHLD, $child_changed, $(SA_RESTART | SA_NOCLDSTOP)
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz waiter
    movl %eax, %edi
    movl $0, changes
    sys_kill %edi, $SIGSTOP
    sys_waitpid %edi, $status, $WUNTRACED
    check_equal "SA_NOCLDSTOP: no SIGCHLD for stops", $0, changes
    sys_kill %edi, $SIGKILL
    sys_waitpid %edi, $status, $0
    sys_exit $0

sleeper:                        # until the handler has run: nowhere else is it let in
    suspend $0
    sys_exit $3

waiter:
    sys_pause
    jmp waiter

child_changed:
    incl changes
    ret

speak:
    say "handler of the child"
    ret

.data
status:
    .long 0
changes:
    .long 0

.include "print.inc"
