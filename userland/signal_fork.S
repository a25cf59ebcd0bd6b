# title: What fork does to signals, and forks where nobody expects them
# expect stdout: ok: the mask is inherited
# expect stdout: ok: pending signals are not
# expect stdout: ok: but stay with the parent
# expect stdout: ok: handlers are inherited, and then separate
# expect stdout: ok: the child's change is not the parent's
# expect stdout: ok: a handler that forks returns twice
# expect stdout: ok: and each goes on where it was
# expect stdout: ok: a handler in the child of a vfork runs before the parent goes on
#
# Idea: fork copies what a process has decided (handlers, mask), not what has happened to it (pending
# signals, timers). A fork inside a handler copies the signal frame with the stack: both return.
# While stepping: break on fork_handler, `info frames`: the child's stack has the same frame, at
# the same address, in a page that is shared until one of them writes.

.include "linux.inc"
.include "signal.inc"

.equ USR1_BIT, 1 << (SIGUSR1 - 1)

.text
.globl _start
_start:
    set_handler $SIGUSR1, $count, $0
    change_mask $SIG_BLOCK, $USR1_BIT
    kill_self $SIGUSR1
    sys_fork
    testl %eax, %eax
    js fork_failed
    jnz parent

    get_mask
    check_equal "the mask is inherited", $USR1_BIT, %eax
    get_pending
    check_equal "pending signals are not", $0, %eax
    sys_exit $0

parent:
    sys_waitpid %eax, $0, $0
    get_pending
    check_equal "but stay with the parent", $USR1_BIT, %eax
    set_handler $SIGUSR1, $SIG_IGN, $0
    set_handler $SIGUSR1, $count, $0
    change_mask $SIG_UNBLOCK, $USR1_BIT

    sys_fork
    testl %eax, %eax
    js fork_failed
    jnz 1f
    kill_self $SIGUSR1
    check_equal "handlers are inherited, and then separate", $1, calls
    set_handler $SIGUSR1, $SIG_IGN, $0
    sys_exit $0
1:  sys_waitpid %eax, $0, $0
    kill_self $SIGUSR1
    check_equal "the child's change is not the parent's", $1, calls

    set_handler $SIGUSR1, $fork_handler, $0
    movl $0x600D, %edi
    kill_self $SIGUSR1
    cmpl $0, forked             # both come here
    je in_child
    sys_waitpid forked, $status, $0
    check_equal "a handler that forks returns twice", $(9 << 8), status
    check_equal "and each goes on where it was", $0x600D, %edi

    set_handler $SIGUSR1, $count, $0
    movl $0, calls
    movl $__NR_vfork, %eax
    int $0x80
    testl %eax, %eax
    js fork_failed
    jnz 2f
    kill_self $SIGUSR1          # in the parent's memory
    sys_exit $0
2:  check_equal "a handler in the child of a vfork runs before the parent goes on", $1, calls
    sys_exit $0

in_child:
    cmpl $0x600D, %edi
    jne 3f
    sys_exit $9
3:  sys_exit $1

count:
    incl calls
    ret

fork_handler:
    sys_fork
    movl %eax, forked
    ret

.data
calls:
    .long 0
forked:
    .long 0
status:
    .long 0

.include "print.inc"
