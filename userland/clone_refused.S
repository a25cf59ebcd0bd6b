# title: clone: combinations that make no sense
# expect stdout: ok: a thread that does not share handlers: EINVAL
# expect stdout: ok: nor with memory alone: EINVAL
# expect stdout: ok: handlers without memory: EINVAL
# expect stdout: ok: a mount namespace and a shared root: EINVAL
# expect stdout: ok: a thread in a user namespace of its own: EINVAL
# expect stdout: ok: a TLS entry that is not one: EINVAL
# expect stdout: ok: a TLS descriptor in kernel memory: EFAULT
# expect stdout: ok: none of these left a child
# expect stdout: and fork still works
#
# Idea: threads must share their signal handlers, and handlers are addresses, so they need one memory; a
# new mount namespace cannot go with a shared root. The kernel says so before it takes anything: the
# parent can fork right after.
# While stepping: `break syscall clone`; the call returns from copy_process without a single allocation.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    sys_clone $(CLONE_THREAD | CHILD_SIGNAL)
    check_equal "a thread that does not share handlers: EINVAL", $-EINVAL, %eax
    sys_clone $(CLONE_THREAD | CLONE_VM)
    check_equal "nor with memory alone: EINVAL", $-EINVAL, %eax
    sys_clone $(CLONE_SIGHAND | CHILD_SIGNAL)
    check_equal "handlers without memory: EINVAL", $-EINVAL, %eax
    sys_clone $(CLONE_NEWNS | CLONE_FS | CHILD_SIGNAL)
    check_equal "a mount namespace and a shared root: EINVAL", $-EINVAL, %eax
    sys_clone $(CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)
    check_equal "a thread in a user namespace of its own: EINVAL", $-EINVAL, %eax
    sys_clone $(CLONE_VM | CLONE_SETTLS | CHILD_SIGNAL), $0, $0, $bad_descriptor, $0
    check_equal "a TLS entry that is not one: EINVAL", $-EINVAL, %eax
    sys_clone $(CLONE_VM | CLONE_SETTLS | CHILD_SIGNAL), $0, $0, $KERNEL_ADDRESS, $0
    check_equal "a TLS descriptor in kernel memory: EFAULT", $-EFAULT, %eax
    sys_waitpid $ANY_CHILD, $0, $0
    check_equal "none of these left a child", $-ECHILD, %eax
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid %eax, $0, $0
    say "and fork still works"
    sys_exit $0
child:
    sys_exit $0

.data
bad_descriptor:                 # struct user_desc: entry 3 is no TLS entry
    .long 3, 0, 0xfffff, 0x51

.include "print.inc"
