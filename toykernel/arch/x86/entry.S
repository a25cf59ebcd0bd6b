# The kernel's text: every way into ring 0 and out of it.
#
# What is C in Linux is Python here. A function of the kernel is a thunk of two
# instructions, `outl %eax, $GATE_PORT; ret`: the OUT leaves the guest, Python
# runs the function and puts its result into %eax, the guest goes on at `ret`.
# The thunks and sys_call_table are appended to this file when it is assembled.
#
# A Python function may switch tasks, and then another task goes on at its own
# `ret`. Of the registers only %esp and %eax survive that, so code behind a call
# loads %ebp again.
#
# Stack layout while in the kernel, struct pt_regs:
#	 0(%esp) ebx      4 ecx   8 edx  12 esi  16 edi  20 ebp  24 eax
#	28 ds  32 es  36 fs  40 gs  44 orig_eax
#	48 eip  52 cs  56 eflags  60 oldesp  64 oldss		(pushed by the CPU)

.macro GET_THREAD_INFO
	movl	$-THREAD_SIZE, %ebp
	andl	%esp, %ebp
.endm

.macro SAVE_ALL				# fork-path A2
	cld
	pushl	%gs
	pushl	%fs
	pushl	%es
	pushl	%ds
	pushl	%eax
	pushl	%ebp
	pushl	%edi
	pushl	%esi
	pushl	%edx
	pushl	%ecx
	pushl	%ebx
	movl	$USER_DS, %edx
	movl	%edx, %ds
	movl	%edx, %es
.endm

# The area is at (%eax) to save, at (%edx) to load; 16-byte aligned.
.macro SAVE_FPU
.if HAVE_FXSR
	fxsave	(%eax)
.else
	fnsave	(%eax)
.endif
.endm

.macro RESTORE_FPU
.if HAVE_FXSR
	fxrstor	(%edx)
.else
	frstor	(%edx)
.endif
.endm

.text
# Power-on: protected mode, flat segments, paging off, running at the physical
# address. The boot tables map RAM at 0 and at PAGE_OFFSET.
startup_32:
	movl	$SWAPPER_PG_DIR, %eax	# physical
	movl	%eax, %cr3
	movl	$CR4_BOOT, %eax
	testl	%eax, %eax
	jz	1f			# a 486 has no CR4
	movl	%eax, %cr4		# 4 MiB pages, before paging is on
1:	movl	$CR0_BOOT, %eax
	movl	%eax, %cr0		# paging on, with write protection for ring 0
	movl	$start_virtual, %eax
	jmp	*%eax
start_virtual:
	lgdt	gdt_descr
	lidt	idt_descr
	movl	$KERNEL_DS, %eax
	movl	%eax, %ss
	movl	$USER_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$INIT_STACK_TOP, %esp
	pushl	$KERNEL_CS
	pushl	$2f
	lret
2:	movl	$TSS_SELECTOR, %eax
	ltr	%ax
	call	start_kernel

# The idle task: nothing to run until an interrupt makes something runnable.
cpu_idle:
	GET_THREAD_INFO
	cli				# no wake-up is lost between test and hlt
	testl	$_TIF_NEED_RESCHED, TI_flags(%ebp)
	jnz	1f
	sti
	hlt
	jmp	cpu_idle
1:	sti
	call	schedule
	jmp	cpu_idle

# int $0x80: the number in %eax, arguments in %ebx %ecx %edx %esi %edi %ebp (fork-path A1-A3).
.globl system_call
system_call:
	pushl	%eax			# orig_eax
	SAVE_ALL
	cmpl	$NR_syscalls, %eax
	jae	syscall_badsys
syscall_call:
	call	*sys_call_table(,%eax,4)
syscall_done:
	movl	%eax, PT_EAX(%esp)	# the caller's %eax
syscall_exit:
	cli				# what is tested stays true until iret
	GET_THREAD_INFO
	testl	$_TIF_WORK_MASK, TI_flags(%ebp)
	jnz	work_pending
restore_all:				# fork-path A4: out of here again
	popl	%ebx
	popl	%ecx
	popl	%edx
	popl	%esi
	popl	%edi
	popl	%ebp
	popl	%eax
# A program can have any selector in its frame: each of these loads may fault, and
# has its fix-up (arch/x86/extable.py).
restore_ds:
	popl	%ds
restore_es:
	popl	%es
restore_fs:
	popl	%fs
restore_gs:
	popl	%gs
	addl	$4, %esp		# orig_eax
restore_iret:
	iret

# The iret above faulted: what it was to return to is no place for a program.
# Its frame is still there, and becomes the frame of an exception from user mode.
iret_exc:
	pushl	$0
	pushl	$do_iret_error
	jmp	error_code

syscall_badsys:				# fork-path A3
	call	sys_ni_syscall
	jmp	syscall_done

# A child's first instruction (fork-path H4). schedule_tail finishes the switch that brought
# it here; %eax is the task that ran before.
.globl ret_from_fork
ret_from_fork:
	pushl	%eax
	call	schedule_tail
	addl	$4, %esp
	pushl	$0x0202			# a fresh EFLAGS for the kernel: interrupts on
	popfl
	jmp	syscall_exit

# A kernel thread returns from fork to here: %esi is its function, %edi the
# argument.
kernel_thread_helper:
	movl	%edi, %eax
	call	*%esi
	call	do_exit
	ud2				# do_exit does not return

# Back from an exception or an interrupt, to whatever it came from.
ret_from_exception:
ret_from_intr:
	testl	$3, PT_CS(%esp)
	jz	restore_all		# to ring 0: the kernel is not preempted
resume_userspace:
	cli
	GET_THREAD_INFO
	testl	$_TIF_WORK_MASK, TI_flags(%ebp)
	jz	restore_all

work_pending:				# fork-path A4
	testl	$_TIF_NEED_RESCHED, TI_flags(%ebp)
	jz	work_notifysig
work_resched:
	call	schedule
	jmp	resume_userspace
work_notifysig:
	sti
	call	unlazy_fpu		# a signal frame holds the FPU registers too
	movl	%esp, %eax
	call	do_notify_resume
	jmp	resume_userspace

# Exceptions (fork-path A5). The handler's address is pushed where %gs belongs, above the error
# code (the CPU's, or a 0 in its place); error_code sorts that out.
divide_error:
	pushl	$0
	pushl	$do_divide_error
	jmp	error_code
debug:
	pushl	$0
	pushl	$do_debug
	jmp	error_code
nmi:
	pushl	$0
	pushl	$do_nmi
	jmp	error_code
int3:
	pushl	$0
	pushl	$do_int3
	jmp	error_code
overflow:
	pushl	$0
	pushl	$do_overflow
	jmp	error_code
bounds:
	pushl	$0
	pushl	$do_bounds
	jmp	error_code
invalid_op:
	pushl	$0
	pushl	$do_invalid_op
	jmp	error_code
double_fault:
	pushl	$do_double_fault
	jmp	error_code
invalid_TSS:
	pushl	$do_invalid_TSS
	jmp	error_code
segment_not_present:
	pushl	$do_segment_not_present
	jmp	error_code
stack_segment:
	pushl	$do_stack_segment
	jmp	error_code
general_protection:
	pushl	$do_general_protection
	jmp	error_code
coprocessor_error:
	pushl	$0
	pushl	$do_coprocessor_error
	jmp	error_code
alignment_check:
	pushl	$do_alignment_check
	jmp	error_code
simd_coprocessor_error:
	pushl	$0
	pushl	$do_simd_coprocessor_error
	jmp	error_code
page_fault:
	pushl	$do_page_fault
error_code:
	pushl	%fs
	pushl	%es
	pushl	%ds
	pushl	%eax
	pushl	%ebp
	pushl	%edi
	pushl	%esi
	pushl	%edx
	pushl	%ecx
	pushl	%ebx
	cld
	movl	PT_GS(%esp), %edi	# the handler
	movl	PT_ORIG_EAX(%esp), %edx	# the error code
	movl	$-1, PT_ORIG_EAX(%esp)	# no system call to restart
	movl	%gs, %ecx
	movl	%ecx, PT_GS(%esp)
	movl	$USER_DS, %ecx
	movl	%ecx, %ds
	movl	%ecx, %es
	movl	%esp, %eax
	call	*%edi
	jmp	ret_from_exception

# #NM (fork-path H5): the FPU holds another task's registers. math_state_restore answers with
# two save areas: %eax for the registers in the FPU (0: nobody's), %edx for
# those to load (0: there is none, and the task has its signal).
device_not_available:
	pushl	$-1
	SAVE_ALL
	call	math_state_restore
	testl	%edx, %edx
	jz	ret_from_exception
	clts
	testl	%eax, %eax
	jz	1f
	SAVE_FPU
1:	RESTORE_FPU
	jmp	ret_from_exception

# Put the FPU registers of the running task into its save area before they are
# copied; %eax is the area, 0 when they are not in the FPU.
unlazy_fpu:
	call	fpu_area
	testl	%eax, %eax
	jz	1f
	clts
	SAVE_FPU
	movl	%cr0, %eax
	orl	$8, %eax		# TS: the next use traps again
	movl	%eax, %cr0
1:	ret

# The calls that copy the caller's registers.
ptregs_fork:
	call	unlazy_fpu
	jmp	sys_fork
ptregs_vfork:
	call	unlazy_fpu
	jmp	sys_vfork
ptregs_clone:
	call	unlazy_fpu
	jmp	sys_clone
ptregs_clone3:
	call	unlazy_fpu
	jmp	sys_clone3

# External interrupts: the number of the line goes where orig_eax is, negative,
# so that it cannot be taken for a system call.
irq0:	pushl	$-256
	jmp	common_interrupt
irq1:	pushl	$-255
	jmp	common_interrupt
irq2:	pushl	$-254
	jmp	common_interrupt
irq3:	pushl	$-253
	jmp	common_interrupt
irq4:	pushl	$-252
	jmp	common_interrupt
irq5:	pushl	$-251
	jmp	common_interrupt
irq6:	pushl	$-250
	jmp	common_interrupt
irq7:	pushl	$-249
common_interrupt:
	SAVE_ALL
	call	do_IRQ
	jmp	ret_from_intr

.data
	.balign	8
	.word	0
gdt_descr:
	.word	GDT_LIMIT
	.long	GDT_BASE
	.word	0
idt_descr:
	.word	IDT_LIMIT
	.long	IDT_BASE
