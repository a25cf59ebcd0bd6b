# title: Which of several signals comes first
# expect stdout: ok: of two, the higher number's handler runs first
# expect stdout: ok: a fault's signal is taken before others, and runs last
# expect stdout: ok: and among those of faults the lower number
# expect stdout: ok: a thread's own signal is taken before its group's
# expect stdout: ok: sa_mask holds the second one back until it returns
# expect stdout: ok: sigtimedwait takes the lowest number
# expect stdout: ok: but a fault's before it
# expect stdout: ok: two senders of one ordinary signal: the first one's value
# expect stdout: ok: and only that
#
# Idea: the kernel takes signals lowest number first, those that an instruction of the program's own may
# raise before all others, and builds a frame for each before it goes back to user mode. So the frame that
# was built last is on top, and its handler runs first, unless its signal is in the first one's mask.
# While stepping: break on note; `info frames` shows how many frames lie on the stack.

.include "linux.inc"
.include "signal.inc"
.include "process.inc"

.equ SIGILL,   4
.equ SIGUSR2_BIT, 1 << (SIGUSR2 - 1)
.equ USR1_BIT, 1 << (SIGUSR1 - 1)
.equ SEGV_BIT, 1 << (SIGSEGV - 1)
.equ ILL_BIT,  1 << (SIGILL - 1)
.equ HUP_BIT,  1 << (SIGHUP - 1)
.equ __NR_tkill, 238

# own SIGNAL: one for this thread alone.
.macro own signal
    invoke2 __NR_tkill, pid, \signal
.endm

.text
.globl _start
_start:
    sys_getpid
    movl %eax, pid
    set_handler $SIGHUP, $note, $0
    set_handler $SIGILL, $note, $0
    set_handler $SIGSEGV, $note, $0
    set_handler $SIGUSR1, $note, $0
    set_handler $SIGUSR2, $note, $0
    change_mask $SIG_BLOCK, $(USR1_BIT | SIGUSR2_BIT | SEGV_BIT | ILL_BIT | HUP_BIT)

    own $SIGUSR1
    own $SIGUSR2
    call take
    check_equal "of two, the higher number's handler runs first", $(SIGUSR2 << 8 | SIGUSR1), history

    own $SIGSEGV
    own $SIGHUP
    call take
    check_equal "a fault's signal is taken before others, and runs last", $(SIGHUP << 8 | SIGSEGV), history

    own $SIGSEGV
    own $SIGILL
    call take
    check_equal "and among those of faults the lower number", $(SIGSEGV << 8 | SIGILL), history

    sys_kill pid, $SIGHUP
    own $SIGUSR1
    call take
    check_equal "a thread's own signal is taken before its group's", $(SIGHUP << 8 | SIGUSR1), history

    set_handler $SIGUSR1, $note, $0, $SIGUSR2_BIT
    own $SIGUSR1
    own $SIGUSR2
    call take
    check_equal "sa_mask holds the second one back until it returns", $(SIGUSR1 << 8 | SIGUSR2), history

    own $SIGUSR2
    own $SIGSEGV
    own $SIGUSR1
    call wait_for_one
    movl %eax, %edi
    call wait_for_one
    movl %eax, %esi
    call wait_for_one
    shll $8, %esi
    orl %esi, %eax
    check_equal "sigtimedwait takes the lowest number", $(SIGUSR1 << 8 | SIGUSR2), %eax
    check_equal "but a fault's before it", $SIGSEGV, %edi

    movl $1, info + SI_VALUE
    invoke3 __NR_rt_sigqueueinfo, pid, $SIGUSR1, $info
    movl $2, info + SI_VALUE
    invoke3 __NR_rt_sigqueueinfo, pid, $SIGUSR1, $info
    call wait_for_one
    check_equal "two senders of one ordinary signal: the first one's value", $1, told + SI_VALUE
    call wait_for_one
    check_equal "and only that", $-EAGAIN, %eax
    sys_exit $0

take:                           # unblock all, and block them again
    movl $0, history
    change_mask $SIG_UNBLOCK, $(USR1_BIT | SIGUSR2_BIT | SEGV_BIT | ILL_BIT | HUP_BIT)
    change_mask $SIG_BLOCK, $(USR1_BIT | SIGUSR2_BIT | SEGV_BIT | ILL_BIT | HUP_BIT)
    ret

wait_for_one:
    pushl %esi
    movl $8, %esi
    invoke3 __NR_rt_sigtimedwait, $all, $told, $at_once
    popl %esi
    ret

note:                           # the last one is in the low byte
    shll $8, history
    movl 4(%esp), %eax
    orl %eax, history
    ret

.data
pid:
    .long 0
history:
    .long 0
all:
    .long -1, -1
at_once:
    .long 0, 0
info:
    .long SIGUSR1, 0, SI_QUEUE
    .fill 29, 4, 0
told:
    .fill 32, 4, 0

.include "print.inc"
