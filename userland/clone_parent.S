# title: CLONE_PARENT: a brother instead of a child
# expect stdout: ok: the maker has no child
# expect stdout: ok: the parent of the first waits for two
# expect stdout: ok: and there is no third
#
# Idea: with CLONE_PARENT the new process has its maker's parent, so that one is told of its end. Here a
# child makes its own brother, and their parent waits for both.
# While stepping: `info tasks` after the second clone: both have one parent.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    sys_getpid
    movl %eax, first
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid $ANY_CHILD, $0, $0
    movl %eax, %ebp
    sys_waitpid $ANY_CHILD, $0, $0
    testl %eax, %eax
    jle fork_failed
    cmpl %eax, %ebp
    setne %al
    movzbl %al, %eax
    check_equal "the parent of the first waits for two", $1, %eax
    sys_waitpid $ANY_CHILD, $0, $0
    check_equal "and there is no third", $-ECHILD, %eax
    sys_exit $0

child:
    sys_clone $(CLONE_PARENT | CHILD_SIGNAL)
    testl %eax, %eax
    js fork_failed
    jz brother
    sys_waitpid $ANY_CHILD, $0, $0
    check_equal "the maker has no child", $-ECHILD, %eax
    sys_exit $0
brother:
    sys_getppid
    cmpl %eax, first
    jne fork_failed
    sys_exit $0

.data
first:
    .long 0

.include "print.inc"
