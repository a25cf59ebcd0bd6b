# The text of the vDSO, linux-gate.so.1 (arch/x86/vdso/vdso32/): the page that exec maps
# beside a program. It is called, and linked to, by the names below; each makes its system
# call by int $0x80, and answers with a negative error number.

.equ NR_time, 13
.equ NR_gettimeofday, 78
.equ NR_sigreturn, 119
.equ NR_rt_sigreturn, 173
.equ NR_clock_gettime, 265
.equ NR_clock_getres, 266
.equ NR_getcpu, 318
.equ NR_clock_gettime64, 403

.macro FUNCTION name
	.balign	16
	.globl	\name
	.type	\name, @function
\name:
.endm

.macro END name
	.size	\name, . - \name
.endm

# A function of two arguments.
.macro CALLS name number
FUNCTION \name
	pushl	%ebx
	movl	8(%esp), %ebx
	movl	12(%esp), %ecx
	movl	$\number, %eax
	int	$0x80
	popl	%ebx
	ret
END \name
.endm

.text
# The number in %eax, arguments in registers: AT_SYSINFO is this address.
FUNCTION __kernel_vsyscall
	int	$0x80
	ret
END __kernel_vsyscall

# Where the handler of a signal returns to. Unwinders look one byte before a return address.
	nop
FUNCTION __kernel_sigreturn
	popl	%eax			# the signal's number
	movl	$NR_sigreturn, %eax
	int	$0x80
END __kernel_sigreturn
	nop
FUNCTION __kernel_rt_sigreturn
	movl	$NR_rt_sigreturn, %eax
	int	$0x80
END __kernel_rt_sigreturn
	nop

CALLS __vdso_clock_gettime NR_clock_gettime
CALLS __vdso_gettimeofday NR_gettimeofday
CALLS __vdso_clock_gettime64 NR_clock_gettime64
CALLS __vdso_clock_getres NR_clock_getres

FUNCTION __vdso_time
	pushl	%ebx
	movl	8(%esp), %ebx
	movl	$NR_time, %eax
	int	$0x80
	popl	%ebx
	ret
END __vdso_time

FUNCTION __vdso_getcpu
	pushl	%ebx
	movl	8(%esp), %ebx
	movl	12(%esp), %ecx
	xorl	%edx, %edx
	movl	$NR_getcpu, %eax
	int	$0x80
	popl	%ebx
	ret
END __vdso_getcpu
