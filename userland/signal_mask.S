# title: Blocked, pending, taken: a signal's three states
# expect stdout: ok: blocked, it is pending
# expect stdout: ok: and not taken
# expect stdout: ok: unblocked, it is taken once, however often it was raised
# expect stdout: ok: nothing is pending any more
# expect stdout: ok: a handler's own signal is blocked while it runs
# expect stdout: ok: so is what its mask names
# expect stdout: ok: SA_NODEFER lets it in again
# expect stdout: ok: afterwards nothing is blocked
# expect stdout: ok: sigsuspend returns EINTR
# expect stdout: ok: with the mask that was before
# expect stdout: ok: SIGKILL cannot be blocked
# expect stdout: ok: nor have a handler
# expect stdout: ok: ignoring a pending signal forgets it
# expect stdout: ok: lower numbers first
# expect stdout: ok: real-time signals queue
#
# Idea: raising a signal sets a bit; whether the bit acts now or later is for the mask to say. Numbers
# from 32 on are kept in a queue instead, one entry each time.
# While stepping: `info tasks` shows blocked and pending sets; break on handler.

.include "linux.inc"
.include "signal.inc"

.equ USR1_BIT, 1 << (SIGUSR1 - 1)
.equ USR2_BIT, 1 << (SIGUSR2 - 1)

.text
.globl _start
_start:
    set_handler $SIGUSR1, $handler, $0
    change_mask $SIG_BLOCK, $USR1_BIT
    kill_self $SIGUSR1
    kill_self $SIGUSR1
    get_pending
    check_equal "blocked, it is pending", $USR1_BIT, %eax
    check_equal "and not taken", $0, calls
    change_mask $SIG_UNBLOCK, $USR1_BIT
    check_equal "unblocked, it is taken once, however often it was raised", $1, calls
    get_pending
    check_equal "nothing is pending any more", $0, %eax

    set_handler $SIGUSR1, $look, $0, $USR2_BIT
    kill_self $SIGUSR1
    movl seen, %eax
    andl $USR1_BIT, %eax
    check_equal "a handler's own signal is blocked while it runs", $USR1_BIT, %eax
    movl seen, %eax
    andl $USR2_BIT, %eax
    check_equal "so is what its mask names", $USR2_BIT, %eax

    movl $0, calls
    set_handler $SIGUSR1, $nested, $SA_NODEFER
    kill_self $SIGUSR1
    check_equal "SA_NODEFER lets it in again", $3, calls
    get_mask
    check_equal "afterwards nothing is blocked", $0, %eax

    movl $0, calls
    set_handler $SIGUSR1, $handler, $0
    change_mask $SIG_SETMASK, $USR1_BIT
    kill_self $SIGUSR1
    suspend $0
    check_equal "sigsuspend returns EINTR", $-EINTR, %eax
    get_mask
    check_equal "with the mask that was before", $USR1_BIT, %eax

    change_mask $SIG_SETMASK, $(1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1))
    get_mask
    check_equal "SIGKILL cannot be blocked", $0, %eax
    set_handler $SIGKILL, $handler, $0
    check_equal "nor have a handler", $-EINVAL, %eax

    movl $0, calls
    change_mask $SIG_SETMASK, $USR1_BIT
    kill_self $SIGUSR1
    set_handler $SIGUSR1, $SIG_IGN, $0
    set_handler $SIGUSR1, $handler, $0
    change_mask $SIG_SETMASK, $0
    check_equal "ignoring a pending signal forgets it", $0, calls

    # Two at once: the handler of the second in order is entered last, so it runs first. Each
    # handler shifts its number in; the first to run is the highest digit.
    set_handler $SIGUSR1, $order, $0
    set_handler $SIGUSR2, $order, $0
    movl $-1, %eax
    change_mask $SIG_SETMASK, $(USR1_BIT | USR2_BIT)
    kill_self $SIGUSR2
    kill_self $SIGUSR1
    change_mask $SIG_SETMASK, $0
    check_equal "lower numbers first", $(SIGUSR2 << 8 | SIGUSR1), history

    movl $0, calls
    set_handler $SIGRTMIN, $handler, $0
    movl $realtime, %ecx
    call block_all
    kill_self $SIGRTMIN
    kill_self $SIGRTMIN
    kill_self $SIGRTMIN
    movl $nothing, %ecx
    call block_all
    check_equal "real-time signals queue", $3, calls
    sys_exit $0

block_all:                      # the set at %ecx
    movl $SIG_SETMASK, %ebx
    xorl %edx, %edx
    movl $8, %esi
    movl $__NR_rt_sigprocmask, %eax
    int $0x80
    ret

handler:
    incl calls
    ret

look:
    get_mask
    movl %eax, seen
    ret

nested:
    incl calls
    cmpl $3, calls
    je 1f
    kill_self $SIGUSR1
1:  ret

order:
    movl history, %eax
    shll $8, %eax
    orl 4(%esp), %eax
    movl %eax, history
    ret

.data
calls:
    .long 0
seen:
    .long 0
history:
    .long 0
realtime:
    .long 0, 1 << (SIGRTMIN - 33)
nothing:
    .long 0, 0

.include "print.inc"
