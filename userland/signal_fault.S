# title: What a handler learns of a fault, and how it can repair one
# expect stdout: ok: write to nothing: SEGV_MAPERR
# expect stdout: ok: the address
# expect stdout: ok: vector 14 in the frame
# expect stdout: ok: error code 6
# expect stdout: ok: CR2 in the frame
# expect stdout: ok: write to text: SEGV_ACCERR
# expect stdout: ok: the address again
# expect stdout: ok: error code 7
# expect stdout: ok: division by zero: FPE_INTDIV
# expect stdout: ok: the address is the instruction
# expect stdout: ok: vector 0
# expect stdout: ok: ud2 is SIGILL at the instruction
# expect stdout: ok: vector 6
# expect stdout: ok: int3 is SIGTRAP behind it
# expect stdout: ok: every fault had its signal
#
# Idea: with SA_SIGINFO a handler gets siginfo (which signal, why, where) and ucontext (the
# registers). What it changes there, the program goes on with: this one moves %eip past the
# instruction that faulted, as a run-time system does that emulates one.
# While stepping: break on handler: 4(%esp) signal, 8(%esp) siginfo, 12(%esp) ucontext. The write to
# SC_EIP is where the program goes on.

.include "linux.inc"
.include "signal.inc"

.equ NOWHERE, 0x20000000        # nothing is mapped there

.text
.globl _start
_start:
    set_handler $SIGSEGV, $handler, $SA_SIGINFO
    set_handler $SIGFPE, $handler, $SA_SIGINFO
    set_handler $SIGILL, $handler, $SA_SIGINFO
    set_handler $SIGTRAP, $handler, $SA_SIGINFO

    movl $1f, resume
    movl $1, NOWHERE
1:  check_equal "write to nothing: SEGV_MAPERR", $SEGV_MAPERR, code
    check_equal "the address", $NOWHERE, address
    check_equal "vector 14 in the frame", $14, trapno
    check_equal "error code 6", $6, error
    check_equal "CR2 in the frame", $NOWHERE, cr2

    movl $1f, resume
    movl $1, _start
1:  check_equal "write to text: SEGV_ACCERR", $SEGV_ACCERR, code
    check_equal "the address again", $_start, address
    check_equal "error code 7", $7, error

    movl $1f, resume
    xorl %edx, %edx
    movl $5, %eax
    xorl %ecx, %ecx
divide:
    divl %ecx
1:  check_equal "division by zero: FPE_INTDIV", $1, code
    check_equal "the address is the instruction", $divide, address
    check_equal "vector 0", $0, trapno

    movl $1f, resume
undefined:
    ud2
1:  check_equal "ud2 is SIGILL at the instruction", $undefined, address
    check_equal "vector 6", $6, trapno

    movl $1f, resume
    int3
behind:
    nop
1:  check_equal "int3 is SIGTRAP behind it", $behind, eip
    check_equal "every fault had its signal", $5, calls
    sys_exit $0

handler:
    movl 8(%esp), %eax          # siginfo
    movl SI_CODE(%eax), %ecx
    movl %ecx, code
    movl SI_ADDR(%eax), %ecx
    movl %ecx, address
    movl 12(%esp), %eax         # ucontext
    addl $UC_SIGCONTEXT, %eax
    movl SC_TRAPNO(%eax), %ecx
    movl %ecx, trapno
    movl SC_ERR(%eax), %ecx
    movl %ecx, error
    movl SC_CR2(%eax), %ecx
    movl %ecx, cr2
    movl SC_EIP(%eax), %ecx
    movl %ecx, eip
    movl resume, %ecx
    movl %ecx, SC_EIP(%eax)
    incl calls
    ret

.data
resume:
    .long 0
code:
    .long 0
address:
    .long 0
trapno:
    .long 0
error:
    .long 0
cr2:
    .long 0
eip:
    .long 0
calls:
    .long 0

.include "print.inc"
