# title: A signal handler is a call that the program did not make
# expect stdout: handler runs
# expect stdout: ok: its argument is the signal
# expect stdout: ok: so is %eax
# expect stdout: ok: the direction flag is clear
# expect stdout: ok: the interrupted %eip is in the frame
# expect stdout: back
# expect stdout: ok: kill answered 0
# expect stdout: ok: every register is as it was
# expect stdout: ok: so are the flags
# expect stdout: ok: SIG_IGN loses the signal
# expect stdout: ok: SA_RESETHAND is good for one
# expect status: 138
# expect signal: SIGUSR1
#
# Idea: on its way back to user mode the kernel writes the interrupted registers onto the user's
# stack and makes the program go on in the handler. The handler's `ret` leads to code that calls
# sigreturn, which puts the registers back: the program does not notice.
# While stepping: break on handler and look at the stack: the return address, the signal's number,
# then struct sigcontext. `finish` shows the two instructions of the restorer.

.include "linux.inc"
.include "signal.inc"

.text
.globl _start
_start:
    set_handler $SIGUSR1, $handler, $0
    sys_getpid
    movl %eax, %ebx
    movl $SIGUSR1, %ecx
    movl $0x22222222, %edx
    movl $0x33333333, %esi
    movl $0x44444444, %edi
    movl $0x55555555, %ebp
    movl $__NR_kill, %eax
    std
    stc
interrupted:
    int $0x80
after:
    pushfl
    cld
    popl flags
    movl %ecx, saved_ecx
    movl %eax, result
    cmpl $0x22222222, %edx
    jne wrong
    cmpl $0x33333333, %esi
    jne wrong
    cmpl $0x44444444, %edi
    jne wrong
    cmpl $0x55555555, %ebp
    jne wrong
    cmpl $SIGUSR1, saved_ecx
    jne wrong
    say "back"
    check_equal "kill answered 0", $0, result
    cmpl %eax, %eax
wrong:
    check_zero_flag "every register is as it was"
    movl flags, %eax
    andl $0x401, %eax           # DF and CF
    check_equal "so are the flags", $0x401, %eax

    set_handler $SIGUSR1, $SIG_IGN, $0
    kill_self $SIGUSR1
    check_equal "SIG_IGN loses the signal", $1, calls

    set_handler $SIGUSR1, $count, $SA_RESETHAND
    kill_self $SIGUSR1
    check_equal "SA_RESETHAND is good for one", $2, calls
    kill_self $SIGUSR1
    sys_exit $0                 # not reached

handler:
    movl %esp, %ebp             # pretcode, sig, sigcontext
    movl %eax, %esi
    pushfl
    popl %edi
    say "handler runs"
    check_equal "its argument is the signal", $SIGUSR1, 4(%ebp)
    check_equal "so is %eax", $SIGUSR1, %esi
    testl $0x400, %edi
    check_zero_flag "the direction flag is clear"
    check_equal "the interrupted %eip is in the frame", $after, 8 + SC_EIP(%ebp)
    incl calls
    movl $-1, %ebx              # what a handler does to its registers is its own affair
    movl $-1, %edi
    ret

count:
    incl calls
    ret

.data
calls:
    .long 0
flags:
    .long 0
saved_ecx:
    .long 0
result:
    .long 0

.include "print.inc"
