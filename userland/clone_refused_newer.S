# title: clone: what newer kernels refuse as well
# expect stdout: ok: a user namespace and a shared root: EINVAL
# expect stdout: ok: handlers shared between user namespaces: EINVAL
# expect stdout: ok: handlers shared between pid namespaces: EINVAL
# expect stdout: ok: none of these left a child
# options: --kernel 3.x
# native: no today's kernels take the last two again, and some refuse user namespaces
#
# Idea: a combination that nobody had thought of became a way to a privilege (CVE-2013-1858: CLONE_NEWUSER and
# CLONE_FS, then chroot). Later kernels refuse it, and handlers shared over such a border with it.
# While stepping: `break syscall clone`; with `--kernel 2.6.39` the same calls make children.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    sys_clone $(CLONE_NEWUSER | CLONE_FS | CHILD_SIGNAL)
    check_equal "a user namespace and a shared root: EINVAL", $-EINVAL, %eax
    sys_clone $(CLONE_NEWUSER | CLONE_VM | CLONE_SIGHAND | CHILD_SIGNAL), $stack_top
    check_equal "handlers shared between user namespaces: EINVAL", $-EINVAL, %eax
    sys_clone $(CLONE_NEWPID | CLONE_VM | CLONE_SIGHAND | CHILD_SIGNAL), $stack_top
    check_equal "handlers shared between pid namespaces: EINVAL", $-EINVAL, %eax
    sys_waitpid $ANY_CHILD, $0, $0
    check_equal "none of these left a child", $-ECHILD, %eax
    sys_exit $0

.bss
.balign 16
.zero 4096
stack_top:

.include "print.inc"
