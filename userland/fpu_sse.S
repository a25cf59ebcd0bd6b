# title: SSE registers belong to a process, too, and a signal frame carries them
# expect stdout: ok: a handler may use them
# expect stdout: ok: afterwards the number is back
# expect stdout: ok: and MXCSR
# expect stdout: ok: the frame has them at 272 behind the x87 part
# expect stdout: ok: a handler can change them there
# expect stdout: ok: a child starts with its parent's number
# expect stdout: ok: what it computes is its own
# expect stdout: ok: and the parent's is still there
# expect stdout: ok: two that take turns keep theirs
#
# Idea: the registers are saved only when another task wants them: the kernel sets CR0.TS at a switch, and
# the first instruction of SSE traps. In a signal frame lies what FXSAVE writes, behind FNSAVE's form.
# While stepping: break trap 7 stops where the kernel changes the owner of the registers.

.include "linux.inc"
.include "signal.inc"

.equ FX_MXCSR, 112 + 24         # struct _fpstate: 112 bytes of FNSAVE's, then FXSAVE's
.equ FX_XMM0,  112 + 160

# lane REGISTER, NUMBER: the number in the lowest lane.
.macro lane register, number
    movl \number, word
    movss word, \register
.endm

# check_lane "NAME", NUMBER, REGISTER
.macro check_lane name, number, register
    movss \register, word
    check_equal "\name", \number, word
.endm

.text
.globl _start
_start:
    movl %esp, %ebp
    set_handler $SIGUSR1, $handler, $SA_SIGINFO
    stmxcsr word
    orl $0x8000, word           # flush to zero
    ldmxcsr word
    lane %xmm0, $1111
    lane %xmm7, $7777
    kill_self $SIGUSR1
    check_equal "a handler may use them", $2222, inside
    check_lane "afterwards the number is back", $7777, %xmm7
    stmxcsr word
    andl $0x8000, word
    check_equal "and MXCSR", $0x8000, word
    check_equal "the frame has them at 272 behind the x87 part", $1111, in_frame
    check_lane "a handler can change them there", $3333, %xmm0

    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %edi
    lane %xmm1, $5555
    sys_waitpid %edi, $0, $0
    check_lane "and the parent's is still there", $3333, %xmm0

    lane %xmm3, $1
    sys_fork
    testl %eax, %eax
    js fork_failed
    movl %eax, %edi
    jnz 1f
    lane %xmm3, $2
1:  movss %xmm3, %xmm4
    movl $200, %esi
2:  sys_sched_yield
    movss %xmm3, word
    movss %xmm4, other
    movl word, %eax
    cmpl other, %eax
    jne 3f
    decl %esi
    jnz 2b
3:  testl %edi, %edi
    jz 4f
    pushl $0
    sys_waitpid %edi, %esp, $0
    popl %eax
    cmpl $(2 << 8), %eax
    jne 5f
    cmpl $1, word
5:  check_zero_flag "two that take turns keep theirs"
    sys_exit $0
4:  sys_exit word

child:
    check_lane "a child starts with its parent's number", $3333, %xmm0
    lane %xmm0, $4444
    check_lane "what it computes is its own", $4444, %xmm0
    sys_exit $0

handler:
    lane %xmm7, $2222
    lane %xmm0, $2222
    movss %xmm7, inside
    movl 12(%esp), %eax
    movl UC_SIGCONTEXT + SC_FPSTATE(%eax), %eax
    movl FX_XMM0(%eax), %ecx
    movl %ecx, in_frame
    movl $3333, FX_XMM0(%eax)
    ret

.data
    .balign 4
word:
    .long 0
other:
    .long 0
inside:
    .long 0
in_frame:
    .long 0

.include "print.inc"
