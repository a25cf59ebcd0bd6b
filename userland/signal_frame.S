# title: The two kinds of signal frame, word by word
# expect stdout: ok: old kind: the signal
# expect stdout: ok: segments of ring 3
# expect stdout: ok: the registers of the kill
# expect stdout: ok: %esp, twice
# expect stdout: ok: the mask that comes back
# expect stdout: ok: aligned as at a function's entry
# expect stdout: ok: the code that debuggers look for: pop, mov $119, int
# expect stdout: ok: new kind: the signal
# expect stdout: ok: siginfo is 16 bytes above
# expect stdout: ok: ucontext behind it
# expect stdout: ok: the same in %edx and %ecx
# expect stdout: ok: si_signo
# expect stdout: ok: si_pid
# expect stdout: ok: no other context
# expect stdout: ok: the mask in ucontext
# expect stdout: ok: its code: mov $173, int
# expect stdout: ok: the mask that the handler put there holds
#
# Idea: the frame is a contract: debuggers, unwinders and C libraries know these offsets.
# While stepping: at handler, x/24wx $esp; compare with struct sigframe of asm/sigframe.h.

.include "linux.inc"
.include "signal.inc"

.equ USR1_BIT, 1 << (SIGUSR1 - 1)
.equ USR2_BIT, 1 << (SIGUSR2 - 1)
.equ SIGFRAME_RETCODE, 8 + 88 + 624 + 4
.equ RT_INFO, 16
.equ RT_UC, 16 + 128
.equ RT_RETCODE, RT_UC + 116

.text
.globl _start
_start:
    change_mask $SIG_SETMASK, $USR2_BIT
    set_handler $SIGUSR1, $handler, $0
    movl $0x11111111, %edi
    movl %esp, stack_pointer
    kill_self $SIGUSR1
    set_handler $SIGUSR1, $rt_handler, $SA_SIGINFO
    kill_self $SIGUSR1
    get_mask
    check_equal "the mask that the handler put there holds", $0, %eax
    sys_exit $0

handler:
    movl %esp, %ebp
    check_equal "old kind: the signal", $SIGUSR1, 4(%ebp)
    movl 8 + SC_CS(%ebp), %eax
    andl $3, %eax
    check_equal "segments of ring 3", $3, %eax
    check_equal "the registers of the kill", $0x11111111, 8 + SC_EDI(%ebp)
    movl 8 + SC_ESP(%ebp), %eax
    cmpl stack_pointer, %eax
    jne 1f
    cmpl 8 + SC_ESP_AT_SIGNAL(%ebp), %eax
1:  check_zero_flag "%esp, twice"
    check_equal "the mask that comes back", $USR2_BIT, 8 + SC_OLDMASK(%ebp)
    leal 4(%ebp), %eax
    andl $15, %eax
    check_equal "aligned as at a function's entry", $0, %eax
    movl SIGFRAME_RETCODE(%ebp), %eax
    cmpl $0x0077b858, %eax
    jne 1f
    cmpl $0x80cd0000, SIGFRAME_RETCODE + 4(%ebp)
1:  check_zero_flag "the code that debuggers look for: pop, mov $119, int"
    ret

rt_handler:
    movl %esp, %ebp
    movl %edx, %esi
    movl %ecx, %edi
    check_equal "new kind: the signal", $SIGUSR1, 4(%ebp)
    leal RT_INFO(%ebp), %eax
    check_equal "siginfo is 16 bytes above", %eax, 8(%ebp)
    leal RT_UC(%ebp), %eax
    check_equal "ucontext behind it", %eax, 12(%ebp)
    cmpl 12(%ebp), %edi
    jne 1f
    cmpl 8(%ebp), %esi
1:  check_zero_flag "the same in %edx and %ecx"
    check_equal "si_signo", $SIGUSR1, RT_INFO + SI_SIGNO(%ebp)
    sys_getpid
    check_equal "si_pid", %eax, RT_INFO + SI_PID(%ebp)
    check_equal "no other context", $0, RT_UC + 4(%ebp)
    check_equal "the mask in ucontext", $USR2_BIT, RT_UC + UC_SIGMASK(%ebp)
    cmpl $0x0000adb8, RT_RETCODE(%ebp)
    jne 1f
    movl RT_RETCODE + 4(%ebp), %eax
    cmpl $0x0080cd00, %eax
1:  check_zero_flag "its code: mov $173, int"
    movl $0, RT_UC + UC_SIGMASK(%ebp)
    ret

.data
stack_pointer:
    .long 0

.include "print.inc"
