# title: CLONE_SIGHAND: one table of handlers
# expect stdout: ok: memory alone: the child's handler is the child's
# expect stdout: ok: CLONE_SIGHAND: it is the parent's too
# expect stdout: ok: but the signal was for one of them
#
# Idea: the table says what a signal does, and can be shared; which signals wait and which are blocked stays with
# each task. Handlers are addresses, so who shares them shares memory.
# While stepping: `info task` of parent and child: the handlers, and the child's pending and blocked sets.

.include "linux.inc"
.include "process.inc"
.include "signal.inc"

.text
.globl _start
_start:

    set_handler $SIGUSR1, $SIG_IGN, $0
    sys_clone $(CLONE_VM | CHILD_SIGNAL), $child_stack_top
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid %eax, $0, $0
    kill_self $SIGUSR1
    check_equal "memory alone: the child's handler is the child's", $1, calls

    sys_clone $(CLONE_VM | CLONE_SIGHAND | CHILD_SIGNAL), $child_stack_top
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid %eax, $0, $0
    movl calls, %ebp            # the child's own calls, two by now
    kill_self $SIGUSR1
    check_equal "CLONE_SIGHAND: it is the parent's too", $3, calls
    check_equal "but the signal was for one of them", $2, %ebp
    sys_exit $0

child:                          # a handler, and a signal for itself
    set_handler $SIGUSR1, $handler, $0
    kill_self $SIGUSR1
    sys_exit $0

handler:
    incl calls
    ret

.data
calls:
    .long 0

.bss
.balign 16
.zero 4096
child_stack_top:

.include "print.inc"
