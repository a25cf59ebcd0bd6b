# Process 1: start the program, then reap whatever is left without a parent.
# argv[1] is the program's path, argv[1]... its arguments.

.equ SYS_exit, 1
.equ SYS_fork, 2
.equ SYS_waitpid, 7
.equ SYS_execve, 11
.equ SYS_setsid, 66

.globl _start
.text
_start:
	movl	$SYS_fork, %eax
	int	$0x80
	testl	%eax, %eax
	jz	child

reap:					# any child, for ever
	movl	$SYS_waitpid, %eax
	movl	$-1, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	int	$0x80
	jmp	reap

child:					# the program leads its own session and process group
	movl	$SYS_setsid, %eax
	int	$0x80
	movl	8(%esp), %ebx		# argv[1]
	leal	8(%esp), %ecx		# its argv
	movl	(%esp), %eax		# argc
	leal	8(%esp,%eax,4), %edx	# behind argv's NULL: envp
	movl	$SYS_execve, %eax
	int	$0x80
	negl	%eax			# why there is no program
	movl	%eax, %ebx
	movl	$SYS_exit, %eax
	int	$0x80

# The stack holds no code.
.section .note.GNU-stack, "", @progbits
