# title: Floating-point errors that a program asks to hear of
# expect stdout: ok: masked, a division by zero is infinity and no signal
# expect stdout: ok: x87 division by zero: FPE_FLTDIV
# expect stdout: ok: at the instruction behind it
# expect stdout: ok: vector 16
# expect stdout: ok: one signal in all
#
# Idea: an x87 error is noted in the status word and reported by the *next* waiting FPU instruction,
# as vector 16; the kernel tells from the words which error it was.
# While stepping: `break trap 16`, then x/2wx on the frame's fpstate: control and status word.

.include "linux.inc"
.include "signal.inc"

.text
.globl _start
_start:
    set_handler $SIGFPE, $handler, $SA_SIGINFO
    fninit
    fld1
    fldz
    fdivrp
    fwait
    check_equal "masked, a division by zero is infinity and no signal", $0, calls

    fninit
    fldcw unmasked
    fld1
    fldz
    fdivrp
noticed:
    fwait
    check_equal "x87 division by zero: FPE_FLTDIV", $3, code
    check_equal "at the instruction behind it", $noticed, address
    check_equal "vector 16", $16, trapno

    check_equal "one signal in all", $1, calls
    sys_exit $0

handler:                        # the state in the frame is repaired: nothing is pending
    movl 8(%esp), %eax
    movl SI_CODE(%eax), %ecx
    movl %ecx, code
    movl SI_ADDR(%eax), %ecx
    movl %ecx, address
    movl 12(%esp), %eax
    movl UC_SIGCONTEXT + SC_TRAPNO(%eax), %ecx
    movl %ecx, trapno
    movl UC_SIGCONTEXT + SC_FPSTATE(%eax), %eax
    andl $0xffff7f00, 4(%eax)   # status word: no exception, no summary
    orl $0x3f, (%eax)           # control word: all masked
    incl calls
    ret

.data
unmasked:
    .word 0x360                 # precision masked, everything else not
    .word 0
calls:
    .long 0
code:
    .long 0
address:
    .long 0
trapno:
    .long 0

.include "print.inc"
