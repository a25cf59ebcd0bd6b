# title: A caller of clone that does not give up
# expect stdout: there is a child at last
# args: p
#
# Idea: clone may fail halfway, for want of memory or at a limit, and must leave nothing behind. This
# program brings itself into a shape (its argument), calls clone until it succeeds, and goes on: `make
# faults` lets every step fail in turn, for every shape.
# p plain, f from a process with a thread, t a thread, v vfork, s with a signal pending, n with new
# namespaces, u with a new user namespace, i with an open pipe, an I/O priority, semaphores to undo and
# the FPU in use, l as a user who may have one process more.
# While stepping: `run --fail-nth clone:3` and `break syscall clone`: the third point, an allocation, fails once.

.include "linux.inc"
.include "process.inc"
.include "signal.inc"

.equ PLAIN, CLONE_CHILD_SETTID | CLONE_PARENT_SETTID | CHILD_SIGNAL
.equ THREAD, CLONE_AS_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID

.text
.globl _start
_start:
    set_handler $SIGUSR1, $on_signal, $0
    movl $PLAIN, flags
    movl 8(%esp), %esi          # argv[1]
    movb (%esi), %al
    cmpb $'f', %al
    je from_threaded
    cmpb $'t', %al
    je a_thread
    cmpb $'v', %al
    je by_vfork
    cmpb $'s', %al
    je with_signal
    cmpb $'n', %al
    je with_namespaces
    cmpb $'u', %al
    je with_user_namespace
    cmpb $'i', %al
    je with_everything
    cmpb $'l', %al
    je at_the_limit
    cmpb $'p', %al
    je again
    sys_exit $2

from_threaded:
    call start_thread
    jmp again

a_thread:
    call start_thread
    invoke1 __NR_set_thread_area, $descriptor
    movl $THREAD, flags
    movl $second_stack_top, stack
    movl $-1, joined
again_thread:
    sys_clone flags, stack, $tid, $descriptor, $joined
    testl %eax, %eax
    js again_thread
    jz thread_end
1:  cmpl $0, joined
    je done
    sys_sched_yield
    jmp 1b
thread_end:
    sys_exit $0

by_vfork:
    invoke0 __NR_vfork_call
    testl %eax, %eax
    js by_vfork
    jz child
    jmp wait_for_it

with_signal:
    change_mask $0, $1 << (SIGUSR2 - 1)
    kill_self $SIGUSR2          # it stays pending
    jmp again

with_namespaces:
    movl $(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS | PLAIN), flags
    jmp again

with_user_namespace:
    movl $(CLONE_NEWUSER | PLAIN), flags
    jmp again

at_the_limit:
    invoke2 __NR_setrlimit, $RLIMIT_NPROC, $limit
    invoke1 __NR_setuid, $54322
    testl %eax, %eax
    jnz failed
    jmp again

with_everything:
    fld1
    invoke1 __NR_pipe, $fds
    invoke3 __NR_ioprio_set, $1, $0, $0x4003
    movl $(CLONE_SYSVSEM | PLAIN), flags

again:
    sys_clone flags, stack, $tid, $0, $tid
    testl %eax, %eax
    js again
    jz child
wait_for_it:
    sys_waitpid $ANY_CHILD, $0, $__WALL
    testl %eax, %eax
    jle failed
done:
    say "there is a child at last"
    movl $__NR_exit_group, %eax
    xorl %ebx, %ebx
    int $0x80
child:
    sys_exit $0
failed:
    sys_exit $1

start_thread:                   # one that only yields
    sys_clone $CLONE_AS_THREAD, $first_stack_top
    testl %eax, %eax
    js failed
    jz yielding
    ret
yielding:
    sys_sched_yield
    jmp yielding

on_signal:
    ret

.data
flags:
    .long 0
stack:
    .long 0
tid:
    .long 0
joined:
    .long 0
fds:
    .long 0, 0
limit:
    .long 2, 2
descriptor:                     # struct user_desc: any entry at first
    .long -1, flags, 0xfffff, 0x51

.bss
.balign 16
.zero 1024
first_stack_top:
.zero 1024
second_stack_top:

.include "print.inc"
