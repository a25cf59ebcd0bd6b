# title: How waitpid refuses
# expect stdout: ok: no children at all: ECHILD
# expect stdout: ok: unknown option bits: EINVAL
# expect stdout: ok: somebody else's child: ECHILD
# expect stdout: ok: status pointer in page 0: EFAULT
# expect stdout: ok: the child is reaped all the same
# expect stdout: ok: status pointer in kernel memory: EFAULT
# expect stdout: ok: wait4 refuses alike
#
# Idea: an error is a small negative number in %eax, nothing else changes. One surprise: the child
# is taken off the list before its status is stored, so a bad pointer costs you the status.
# While stepping: `break syscall waitpid`, then see %eax at the iret.

.include "linux.inc"

.equ UNKNOWN_OPTION, 0x40

.text
.globl _start
_start:
    sys_waitpid $ANY_CHILD, $0, $0
    check_equal "no children at all: ECHILD", $-ECHILD, %eax
    sys_waitpid $ANY_CHILD, $0, $UNKNOWN_OPTION
    check_equal "unknown option bits: EINVAL", $-EINVAL, %eax

    call new_child
    sys_getppid                 # our own parent is surely not our child
    sys_waitpid %eax, $0, $0
    check_equal "somebody else's child: ECHILD", $-ECHILD, %eax
    sys_waitpid %esi, $1, $0
    check_equal "status pointer in page 0: EFAULT", $-EFAULT, %eax
    sys_waitpid %esi, $0, $0
    check_equal "the child is reaped all the same", $-ECHILD, %eax

    call new_child
    sys_waitpid %esi, $KERNEL_ADDRESS, $0
    check_equal "status pointer in kernel memory: EFAULT", $-EFAULT, %eax

    movl $ANY_CHILD, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi             # fourth argument: struct rusage *, none
    movl $__NR_wait4, %eax
    int $0x80
    check_equal "wait4 refuses alike", $-ECHILD, %eax
    sys_exit $0

new_child:                      # %esi = pid of a child that ends at once
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz 1f
    movl %eax, %esi
    ret
1:  sys_exit $0

.include "print.inc"
