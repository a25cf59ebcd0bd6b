# title: Traps of every kind, as signals
# expect stdout: ok: a read of the kernel's memory: SEGV_MAPERR
# expect stdout: ok: at its address
# expect stdout: ok: hlt: SIGSEGV from the kernel, without an address
# expect stdout: ok: vector 13
# expect stdout: ok: error code 0
# expect stdout: ok: a gate that is closed: its number in the error code
# expect stdout: ok: a selector that is none: the selector in the error code
# expect stdout: ok: into: SIGSEGV from the kernel
# expect stdout: ok: vector 4
# expect stdout: ok: bound: SIGSEGV from the kernel
# expect stdout: ok: vector 5
# expect stdout: ok: int3: SIGTRAP from the kernel
# expect stdout: ok: vector 3
# expect stdout: ok: a single step: TRAP_TRACE
# expect stdout: ok: at the next instruction
# expect stdout: ok: the handler itself runs without the trap flag
# expect stdout: ok: idiv overflow is FPE_INTDIV as well
# expect stdout: ok: a fault in a handler that blocks it is deadly
# expect stdout: ok: so is one that is ignored
#
# Idea: what a program does wrong comes back to it as a signal whose siginfo and frame say what happened:
# the vector, the error code that the CPU pushed, the address where there is one. Such a signal cannot be
# put off: where it is blocked or ignored, the program ends.
# While stepping: break on fault; `x/40wx $esp` shows siginfo and the frame.

.include "linux.inc"
.include "signal.inc"
.include "process.inc"

.equ SIGTRAP,    5
.equ SIGFPE,     8
.equ SI_KERNEL,  0x80
.equ TRAP_TRACE, 2
.equ FPE_INTDIV, 1
.equ EFLAGS_TF,  0x100
.equ UC_TRAPNO,  UC_SIGCONTEXT + SC_TRAPNO
.equ UC_ERR,     UC_SIGCONTEXT + SC_ERR
.equ UC_EIP,     UC_SIGCONTEXT + SC_EIP
.equ UC_EFLAGS,  UC_SIGCONTEXT + SC_EFLAGS

# provoke LABEL: afterwards the program goes on at LABEL.
.macro provoke label
    movl $\label, resume
.endm

.text
.globl _start
_start:
    set_handler $SIGSEGV, $fault, $SA_SIGINFO
    set_handler $SIGTRAP, $fault, $SA_SIGINFO
    set_handler $SIGFPE, $fault, $SA_SIGINFO

    provoke 1f
    movl KERNEL_ADDRESS, %eax
1:  check_equal "a read of the kernel's memory: SEGV_MAPERR", $(SIGSEGV << 8 | SEGV_MAPERR), what
    check_equal "at its address", $KERNEL_ADDRESS, address

    provoke 1f
    hlt
1:  check_equal "hlt: SIGSEGV from the kernel, without an address", $(SIGSEGV << 8 | SI_KERNEL), what
    check_equal "vector 13", $13, vector
    check_equal "error code 0", $0, error

    provoke 1f
    int $0x90
1:  check_equal "a gate that is closed: its number in the error code", $(0x90 * 8 + 2), error

    provoke 1f
    movw $0x1234, %ax
    movw %ax, %fs
1:  check_equal "a selector that is none: the selector in the error code", $0x1234, error

    provoke 1f
    movb $0x7f, %al
    incb %al
    into
1:  check_equal "into: SIGSEGV from the kernel", $(SIGSEGV << 8 | SI_KERNEL), what
    check_equal "vector 4", $4, vector

    provoke 1f
    movl $9, %eax
    boundl %eax, limits
1:  check_equal "bound: SIGSEGV from the kernel", $(SIGSEGV << 8 | SI_KERNEL), what
    check_equal "vector 5", $5, vector

    provoke 1f
    int3
1:  check_equal "int3: SIGTRAP from the kernel", $(SIGTRAP << 8 | SI_KERNEL), what
    check_equal "vector 3", $3, vector

    provoke 1f
    pushfl
    orl $EFLAGS_TF, (%esp)
    popfl
    nop
stepped:
    nop
1:  check_equal "a single step: TRAP_TRACE", $(SIGTRAP << 8 | TRAP_TRACE), what
    check_equal "at the next instruction", $stepped, address
    testl $EFLAGS_TF, flags_inside
    check_zero_flag "the handler itself runs without the trap flag"

    provoke 1f
    movl $0x80000000, %eax
    cltd
    movl $-1, %ecx
    idivl %ecx
1:  check_equal "idiv overflow is FPE_INTDIV as well", $(SIGFPE << 8 | FPE_INTDIV), what

    run_child blocked
    check_equal "a fault in a handler that blocks it is deadly", $SIGSEGV, %eax
    run_child ignored
    check_equal "so is one that is ignored", $SIGSEGV, %eax
    sys_exit $0

blocked:
    set_handler $SIGSEGV, $twice, $0
    movl 0, %eax
    sys_exit $0
twice:
    movl 0, %eax
    sys_exit $0

ignored:
    set_handler $SIGSEGV, $SIG_IGN, $0
    movl 0, %eax
    sys_exit $0

fault:
    pushfl
    popl flags_inside
    movl 8(%esp), %eax          # siginfo
    movl 4(%esp), %ecx
    shll $8, %ecx
    movzbl SI_CODE(%eax), %edx
    orl %edx, %ecx
    movl %ecx, what
    movl SI_ADDR(%eax), %ecx
    movl %ecx, address
    movl 12(%esp), %eax         # ucontext
    movl UC_TRAPNO(%eax), %ecx
    movl %ecx, vector
    movl UC_ERR(%eax), %ecx
    movl %ecx, error
    movl resume, %ecx
    movl %ecx, UC_EIP(%eax)
    andl $~EFLAGS_TF, UC_EFLAGS(%eax)
    ret

.data
resume:
    .long 0
what:
    .long 0
address:
    .long 0
vector:
    .long 0
error:
    .long 0
flags_inside:
    .long 0
    .balign 4
limits:
    .long 0, 4

.include "print.inc"
