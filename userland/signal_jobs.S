# title: The rules of job control
# expect stdout: ok: stopped, continued and stopped again, it has not continued
# expect stdout: ok: the second stop is told of
# expect stdout: ok: by SIGTSTP
# expect stdout: ok: SIGCONT forgets a stop that is pending
# expect stdout: ok: a stop forgets a SIGCONT that is pending
# expect stdout: ok: SIGTTIN stops, too
# expect stdout: ok: a handler of SIGCONT runs before the program goes on
# expect stdout: ok: a handler of SIGTSTP runs instead of a stop
# expect stdout: ok: SIGTSTP stops no group that nobody could continue, SIGSTOP does
# expect stdout: ok: nobody is told of a stop that was cut short
#
# Idea: a shell stops and continues whole groups. Stop and continue cancel each other while they are
# pending, a stop and its end are told to the parent once each, and a group without a shell (no parent in
# the same session, outside the group) is not stopped by what a terminal would send.
# While stepping: `info tasks` after each waitpid: T is a stopped task.

.include "linux.inc"
.include "signal.inc"
.include "process.inc"
.include "time.inc"

.equ SIGTTIN, 21
.equ TSTP_BIT, 1 << (SIGTSTP - 1)
.equ CONT_BIT, 1 << (SIGCONT - 1)
.equ STATUS_TSTP, SIGTSTP << 8 | STATUS_STOPPED
.equ STATUS_STOP, SIGSTOP << 8 | STATUS_STOPPED

# start ENTRY: a child that begins at ENTRY; its pid is in %edi.
.macro start entry
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz \entry
    movl %eax, %edi
.endm

.macro finish_child
    sys_kill %edi, $SIGKILL
    sys_waitpid %edi, $status, $0
.endm

.text
.globl _start
_start:
    invoke2 __NR_setpgid, $0, $0        # a group whose parent, whoever it is, is outside it
    start sleeper
    invoke2 __NR_setpgid, %edi, %edi    # a job of its own: we could continue it
    sys_kill %edi, $SIGSTOP
    sys_waitpid %edi, $status, $WUNTRACED
    sys_kill %edi, $SIGCONT
    sys_kill %edi, $SIGTSTP
    sleep_ns $(20 * MILLISECOND)
    sys_waitpid %edi, $status, $(WNOHANG | WCONTINUED)
    check_equal "stopped, continued and stopped again, it has not continued", $0, %eax
    sys_waitpid %edi, $status, $(WNOHANG | WUNTRACED)
    check_equal "the second stop is told of", %edi, %eax
    check_equal "by SIGTSTP", $STATUS_TSTP, status
    finish_child

    # Both of these happen within this process, so that no other can come between.
    set_handler $SIGCONT, $note, $0
    change_mask $SIG_BLOCK, $(TSTP_BIT | CONT_BIT)
    kill_self $SIGTSTP
    kill_self $SIGCONT
    get_pending
    check_equal "SIGCONT forgets a stop that is pending", $CONT_BIT, %eax
    kill_self $SIGTSTP
    get_pending
    check_equal "a stop forgets a SIGCONT that is pending", $TSTP_BIT, %eax
    kill_self $SIGCONT
    change_mask $SIG_UNBLOCK, $(TSTP_BIT | CONT_BIT)

    start sleeper
    invoke2 __NR_setpgid, %edi, %edi
    sys_kill %edi, $SIGTTIN
    sys_waitpid %edi, $status, $WUNTRACED
    check_equal "SIGTTIN stops, too", $(SIGTTIN << 8 | STATUS_STOPPED), status
    finish_child

    start self_stopper
    sys_waitpid %edi, $status, $WUNTRACED
    sys_kill %edi, $SIGCONT
    sys_waitpid %edi, $status, $0
    check_equal "a handler of SIGCONT runs before the program goes on", $(1 << 8), status

    set_handler $SIGTSTP, $note, $0
    movl $0, calls
    kill_self $SIGTSTP
    check_equal "a handler of SIGTSTP runs instead of a stop", $1, calls
    set_handler $SIGTSTP, $SIG_DFL, $0

    start lonely                # stops itself twice; the first time nothing happens
    sys_waitpid %edi, $status, $WUNTRACED
    check_equal "SIGTSTP stops no group that nobody could continue, SIGSTOP does", $STATUS_STOP, status
    finish_child

    start sleeper
    invoke2 __NR_setpgid, %edi, %edi
    sys_kill %edi, $SIGSTOP
    sys_kill %edi, $SIGCONT
    sys_kill %edi, $SIGKILL
    sys_waitpid %edi, $status, $(WUNTRACED | WCONTINUED)
    check_equal "nobody is told of a stop that was cut short", $SIGKILL, status
    sys_exit $0

sleeper:
    sys_pause
    jmp sleeper

self_stopper:
    movl $0, calls
    kill_self $SIGSTOP
    sys_exit calls

lonely:
    invoke0 __NR_setsid
    kill_self $SIGTSTP
    kill_self $SIGSTOP
    sys_exit $0

note:
    incl calls
    ret

.data
status:
    .long 0
calls:
    .long 0

.include "print.inc"
