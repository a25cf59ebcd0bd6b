# title: What the flags of an action really change
# expect stdout: ok: SA_NODEFER: three handlers at once
# expect stdout: ok: without it: one after the other
# expect stdout: ok: SA_RESETHAND: the default is back when the handler starts
# expect stdout: ok: but its signal is blocked meanwhile
# expect stdout: ok: signal(2): the default is back, and nothing is blocked
# expect stdout: ok: an old frame keeps the mask of signals 33 to 64
# expect stdout: ok: and those that its handler puts there hold
# expect stdout: ok: a handler that does not fit on the other stack ends it
# expect stdout: ok: one that fits runs
# expect stdout: ok: SA_NOCLDWAIT alone: SIGCHLD says how the child ended
# expect stdout: ok: sigtimedwait takes a signal that is ignored, if it is blocked
#
# Idea: each flag is visible in one place only: how deep handlers nest, what sigaction says inside the
# handler, what lies in the frame.
# While stepping: break on nest; %esp shows how deep the frames lie.

.include "linux.inc"
.include "signal.inc"
.include "process.inc"

.equ __NR_signal,     48
.equ USR1_BIT, 1 << (SIGUSR1 - 1)
.equ USR2_BIT, 1 << (SIGUSR2 - 1)
.equ FRAME_ROOM, 16384          # for one frame anywhere, and not for many
.equ EXTRAMASK, 8 + 88 + 624    # in an old frame, from its start

.text
.globl _start
_start:
    set_handler $SIGUSR1, $nest, $SA_NODEFER
    kill_self $SIGUSR1
    check_equal "SA_NODEFER: three handlers at once", $3, deepest
    movl $0, deepest
    movl $0, calls
    set_handler $SIGUSR1, $nest, $0
    kill_self $SIGUSR1
    check_equal "without it: one after the other", $1, deepest

    set_handler $SIGUSR1, $ask, $SA_RESETHAND
    kill_self $SIGUSR1
    check_equal "SA_RESETHAND: the default is back when the handler starts", $SIG_DFL, found
    check_equal "but its signal is blocked meanwhile", $USR1_BIT, mask
    movl $1, found
    invoke2 __NR_signal, $SIGUSR1, $ask
    kill_self $SIGUSR1
    movl found, %eax
    orl mask, %eax
    check_equal "signal(2): the default is back, and nothing is blocked", $0, %eax

    set_handler $SIGUSR1, $nothing, $0
    invoke4 __NR_rt_sigprocmask, $SIG_SETMASK, $high, $0, $8
    kill_self $SIGUSR1
    invoke4 __NR_rt_sigprocmask, $SIG_BLOCK, $0, $was, $8
    check_equal "an old frame keeps the mask of signals 33 to 64", $0x80000100, was + 4
    set_handler $SIGUSR1, $change, $0
    kill_self $SIGUSR1
    invoke4 __NR_rt_sigprocmask, $SIG_SETMASK, $none, $was, $8
    check_equal "and those that its handler puts there hold", $0x300, was + 4

    run_child too_deep
    check_equal "a handler that does not fit on the other stack ends it", $SIGSEGV, %eax
    run_child fits
    check_equal "one that fits runs", $(1 << 8), %eax

    set_handler $SIGCHLD, $child_ended, $(SA_SIGINFO | SA_NOCLDWAIT)
    sys_fork
    testl %eax, %eax
    js fork_failed
    jnz 1f
    sys_exit $77
1:  cmpl $0, found
    je 1b
    check_equal "SA_NOCLDWAIT alone: SIGCHLD says how the child ended", $(CLD_EXITED << 8 | 77), found
    set_handler $SIGCHLD, $SIG_DFL, $0

    set_handler $SIGUSR2, $SIG_IGN, $0
    change_mask $SIG_BLOCK, $USR2_BIT
    kill_self $SIGUSR2
    invoke4 __NR_rt_sigtimedwait, $usr2, $0, $at_once, $8
    check_equal "sigtimedwait takes a signal that is ignored, if it is blocked", $SIGUSR2, %eax

    sys_exit $0

too_deep:                       # some frame has no room
    set_altstack $stack, $0, $FRAME_ROOM
    set_handler $SIGUSR1, $again, $(SA_ONSTACK | SA_NODEFER)
    kill_self $SIGUSR1
    sys_exit $1

fits:
    set_altstack $stack, $0, $FRAME_ROOM
    set_handler $SIGUSR1, $nothing, $SA_ONSTACK
    kill_self $SIGUSR1
    sys_exit $1

again:                          # over and over, each frame below the last one
    cmpl $stack, %esp
    jb 1f
    kill_self $SIGUSR1
1:  sys_exit $2

nothing:
    ret

nest:                           # 3 calls in all
    incl calls
    incl depth
    movl depth, %eax
    cmpl deepest, %eax
    jle 1f
    movl %eax, deepest
1:  cmpl $3, calls
    jge 2f
    kill_self $SIGUSR1
2:  decl depth
    ret

ask:
    invoke4 __NR_rt_sigaction, $SIGUSR1, $0, $action, $8
    movl action, %eax
    movl %eax, found
    get_mask
    andl $USR1_BIT, %eax
    movl %eax, mask
    ret

change:
    movl $0x300, EXTRAMASK(%esp)
    ret

child_ended:
    movl 8(%esp), %eax
    movl SI_CODE(%eax), %ecx
    shll $8, %ecx
    orl SI_STATUS(%eax), %ecx
    movl %ecx, found
    ret

.data
calls:
    .long 0
depth:
    .long 0
deepest:
    .long 0
found:
    .long 1
mask:
    .long 0
high:
    .long 0, 0x80000100
none:
    .long 0, 0
was:
    .long 0, 0
usr2:
    .long USR2_BIT, 0
at_once:
    .long 0, 0
action:
    .long 0, 0, 0, 0, 0

.bss
    .balign 16
    .space FRAME_ROOM           # where a frame would lie that the kernel lets grow out of it
stack:
    .space FRAME_ROOM

.include "print.inc"
