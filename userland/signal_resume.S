# title: Calls that go on after a stop, and calls that a handler ends
# expect stdout: ok: a sleep goes on over a stop and a continuation
# expect stdout: ok: and ends when it would have ended
# expect stdout: ok: so does pause
# expect stdout: ok: sigtimedwait does not: EINTR
# expect stdout: ok: reading a pipe without SA_RESTART: EINTR
# expect stdout: ok: and with it: the byte that came
# expect stdout: ok: a sleep to a point of time is ended by a handler, SA_RESTART or not
# expect stdout: ok: sigsuspend, too
# expect stdout: ok: sigtimedwait, too
# expect stdout: ok: restart_syscall without a call to restart: EINTR
# expect stdout: ok: a handler that jumps out of a sleep leaves nothing behind
#
# Idea: an interrupted call answers a secret number that says how it may go on: as it was (waitpid, read),
# only without a handler (pause), or with what is left of its time (nanosleep, by restart_syscall).
# While stepping: break on resumed; %eax after the `int` is what the program sees.

.include "linux.inc"
.include "signal.inc"
.include "process.inc"
.include "time.inc"

.equ __NR_restart_syscall, 0
.equ USR2_BIT, 1 << (SIGUSR2 - 1)

# start ENTRY: a child that begins at ENTRY; its pid is in %edi.
.macro start entry
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz \entry
    movl %eax, %edi
.endm

# interrupt_me NS: a child that sends SIGUSR1 after so long; its pid is in %edi.
.macro interrupt_me ns
    movl \ns, delay
    start sender
.endm

.macro reap
    sys_waitpid %edi, $status, $0
.endm

.text
.globl _start
_start:
    start sleeper
    call stop_for_a_while
    reap
    check_equal "a sleep goes on over a stop and a continuation", $0, status
    start punctual
    call stop_for_a_while
    reap
    check_equal "and ends when it would have ended", $0, status
    start waiter
    call stop_for_a_while
    sleep_ns $(10 * MILLISECOND)
    sys_waitpid %edi, $status, $WNOHANG
    check_equal "so does pause", $0, %eax
    sys_kill %edi, $SIGKILL
    reap
    start taker
    call stop_for_a_while
    reap
    check_equal "sigtimedwait does not: EINTR", $(EINTR << 8), status

    invoke1 __NR_pipe, $ends
    set_handler $SIGUSR1, $note, $0
    interrupt_me $(20 * MILLISECOND)
    invoke3 __NR_read, ends, $byte, $1
    check_equal "reading a pipe without SA_RESTART: EINTR", $-EINTR, %eax
    reap
    set_handler $SIGUSR1, $feed, $SA_RESTART
    interrupt_me $(20 * MILLISECOND)
    invoke3 __NR_read, ends, $byte, $1
    shll $8, %eax
    orl byte, %eax
    check_equal "and with it: the byte that came", $0x15A, %eax
    reap

    set_handler $SIGUSR1, $note, $SA_RESTART
    invoke2 __NR_clock_gettime, $CLOCK_MONOTONIC, $deadline
    addl $5, deadline
    interrupt_me $(20 * MILLISECOND)
    pushl %edi
    invoke4 __NR_clock_nanosleep, $CLOCK_MONOTONIC, $TIMER_ABSTIME, $deadline, $0
    popl %edi
    check_equal "a sleep to a point of time is ended by a handler, SA_RESTART or not", $-EINTR, %eax
    reap
    interrupt_me $(20 * MILLISECOND)
    suspend $0
    check_equal "sigsuspend, too", $-EINTR, %eax
    reap
    interrupt_me $(20 * MILLISECOND)
    call take_usr2
    check_equal "sigtimedwait, too", $-EINTR, %eax
    reap
    invoke0 __NR_restart_syscall
    check_equal "restart_syscall without a call to restart: EINTR", $-EINTR, %eax

    set_handler $SIGUSR1, $jump_out, $SA_NODEFER
    interrupt_me $(20 * MILLISECOND)
    movl %esp, stack
    sleep_ns $(900 * MILLISECOND)
    jmp wrong
resumed:
    movl stack, %esp
    reap
    sleep_ns $(1 * MILLISECOND)
    orl status, %eax
    check_equal "a handler that jumps out of a sleep leaves nothing behind", $0, %eax
    sys_exit $0
wrong:
    say "FAILED: the sleep went on"
    sys_exit $1

stop_for_a_while:               # %edi has had time to go to sleep, and is then stopped for 150 ms
    sleep_ns $(20 * MILLISECOND)
    sys_kill %edi, $SIGSTOP
    sys_waitpid %edi, $status, $WUNTRACED
    sleep_ns $(150 * MILLISECOND)
    sys_kill %edi, $SIGCONT
    ret

sleeper:
    sleep_ns $(100 * MILLISECOND)
    movl %eax, status
    sys_exit status

punctual:                       # 0 when the sleep took at least what it should, and not 150 ms more
    read_clock $CLOCK_MONOTONIC
    movl %eax, %esi
    sleep_ns $(400 * MILLISECOND)
    read_clock $CLOCK_MONOTONIC
    subl %esi, %eax
    subl $400000, %eax
    cmpl $140000, %eax
    sbbl %eax, %eax
    incl %eax
    movl %eax, status
    sys_exit status

waiter:
    sys_pause
    sys_exit $1

taker:
    call take_usr2
    negl %eax
    movl %eax, status
    sys_exit status

take_usr2:
    pushl %edi
    invoke4 __NR_rt_sigtimedwait, $usr2, $0, $0, $8
    popl %edi
    ret

sender:
    sleep_ns delay
    sys_getppid
    movl %eax, %edi
    sys_kill %edi, $SIGUSR1
    sys_exit $0

note:
    ret

feed:
    sys_write ends + 4, $letter, $1
    ret

jump_out:
    jmp resumed

.data
status:
    .long 0
delay:
    .long 0
stack:
    .long 0
ends:
    .long 0, 0
byte:
    .long 0
letter:
    .long 'Z'
deadline:
    .long 0, 0
usr2:
    .long USR2_BIT, 0

.include "print.inc"
