# title: The signal that a child ends with is the parent's choice
# expect stdout: ok: wait does not see a silent child
# expect stdout: ok: __WCLONE does
# expect stdout: ok: its status is as usual
# expect stdout: ok: and only those
# expect stdout: ok: __WALL sees every child
#
# Idea: the low byte of clone's flags is the signal that the parent gets when the child ends. wait takes
# only children that announce themselves by SIGCHLD, unless it is told otherwise.
# While stepping: exit_notify of the child: the signal that it raises is the low byte of the flags in %ebx.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    sys_clone $0                # no signal at all
    testl %eax, %eax
    jz child
    movl %eax, %ebp
    sys_waitpid $ANY_CHILD, $0, $0
    check_equal "wait does not see a silent child", $-ECHILD, %eax
    sys_waitpid $ANY_CHILD, $status, $__WCLONE
    cmpl %eax, %ebp
    check_zero_flag "__WCLONE does"
    check_equal "its status is as usual", $0x300, status
    sys_clone $CHILD_SIGNAL
    testl %eax, %eax
    jz child
    movl %eax, %ebp
    sys_waitpid $ANY_CHILD, $0, $__WCLONE
    check_equal "and only those", $-ECHILD, %eax
    sys_waitpid $ANY_CHILD, $0, $__WALL
    cmpl %eax, %ebp
    check_zero_flag "__WALL sees every child"
    sys_exit $0
child:
    sys_exit $3

.data
status:
    .long 0

.include "print.inc"
