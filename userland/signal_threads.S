# title: Signals in a process with threads
# expect stdout: ok: the thread runs
# expect stdout: ok: a signal that the first thread blocks is taken by the second
# expect stdout: ok: tgkill picks its thread
# expect stdout: ok: the mask belongs to the thread, the handler to all
# expect stdout: ok: SIGSTOP stops every thread
# expect stdout: ok: SIGCONT lets every thread go on
# expect stdout: ok: a deadly signal for one thread ends all
#
# Idea: kill raises a signal for the process: any thread that does not block it may take it. tgkill
# raises it for one. Stopping, continuing and dying concern all.
# While stepping: break on handler; `info tasks` shows which thread it is.

.include "linux.inc"
.include "signal.inc"
.include "time.inc"

.equ __NR_clone,  120
.equ __NR_tgkill, 270
.equ THREAD, 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 # VM FS FILES SIGHAND THREAD
.equ USR1_BIT, 1 << (SIGUSR1 - 1)
.equ USR2_BIT, 1 << (SIGUSR2 - 1)

.text
.globl _start
_start:
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz process
    movl %eax, %edi
    sys_waitpid %edi, $status, $WUNTRACED
    check_equal "SIGSTOP stops every thread", $(SIGSTOP << 8 | STATUS_STOPPED), status
    sys_kill %edi, $SIGCONT
    sys_waitpid %edi, $status, $0
    check_equal "a deadly signal for one thread ends all", $SIGTERM, status
    sys_exit $0

process:
    set_handler $SIGUSR1, $handler, $SA_RESTART
    set_handler $SIGUSR2, $handler, $SA_RESTART
    movl $THREAD, %ebx
    movl $stack_top, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    movl $__NR_clone, %eax
    int $0x80
    testl %eax, %eax
    js fork_failed
    jz thread
    movl %eax, second
1:  sleep_ns $(2 * MILLISECOND)
    cmpl $0, ready
    je 1b
    check_equal "the thread runs", $1, ready

    change_mask $SIG_BLOCK, $USR1_BIT
    kill_self $SIGUSR1
1:  sleep_ns $(2 * MILLISECOND)
    cmpl $0, taker
    je 1b
    movl taker, %eax
    check_equal "a signal that the first thread blocks is taken by the second", second, %eax

    movl $0, taker
    sys_getpid
    movl %eax, %ebx
    movl second, %ecx
    movl $SIGUSR2, %edx
    movl $__NR_tgkill, %eax
    int $0x80
1:  sleep_ns $(2 * MILLISECOND)
    cmpl $0, taker
    je 1b
    movl taker, %eax
    check_equal "tgkill picks its thread", second, %eax
    movl blocked_there, %eax
    check_equal "the mask belongs to the thread, the handler to all", $USR2_BIT, %eax

    kill_self $SIGSTOP
    # Continued: the other thread counts again.
    movl rounds, %esi
1:  sleep_ns $(2 * MILLISECOND)
    cmpl rounds, %esi
    je 1b
    check_equal "SIGCONT lets every thread go on", $1, ready
    sys_getpid
    movl %eax, %ebx
    movl second, %ecx
    movl $SIGTERM, %edx
    movl $__NR_tgkill, %eax
    int $0x80
1:  sys_pause
    jmp 1b

thread:
    movl $1, ready
1:  sleep_ns $MILLISECOND
    incl rounds
    jmp 1b

handler:
    get_mask
    movl %eax, blocked_there
    movl $__NR_gettid, %eax
    int $0x80
    movl %eax, taker            # last: the other thread waits for it
    ret

.data
status:
    .long 0
second:
    .long 0
ready:
    .long 0
taker:
    .long 0
blocked_there:
    .long 0
rounds:
    .long 0
.bss
.balign 16
    .skip 8192
stack_top:

.include "print.inc"
