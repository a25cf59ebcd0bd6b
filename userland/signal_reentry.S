# title: Handlers that fork, in every place where that is awkward
# expect stdout: ok: the program's own restorer leads back, old kind
# expect stdout: ok: and new kind
# expect stdout: ok: a handler on the alternate stack forks: the child is on it, too
# expect stdout: ok: both come back from it
# expect stdout: ok: a thread's clone has none
# expect stdout: ok: in a vfork's child a handler forks, and the grandchild comes back from it
# expect stdout: ok: so does the child
# expect stdout: ok: a signal for the parent waits until vfork is over
# expect stdout: ok: and is then taken
# expect stdout: ok: a handler that forks in a handler that forks: four processes
# expect stdout: ok: a handler of SIGCHLD that forks and reaps ends
#
# Idea: a signal frame is ordinary memory. A fork copies it, a vfork's child shares it, and whoever comes to
# the end of the handler goes back to where the frame says.
# While stepping: break on fork_in_handler; `info tasks` counts the processes, `info frames` shows the stack.

.include "linux.inc"
.include "signal.inc"
.include "process.inc"

.equ SA_RESTORER, 0x04000000

# act SIGNAL, HANDLER, FLAGS, RESTORER
.macro act signal, handler, flags, restorer
    movl $\handler, action
    movl $(\flags), action + 4
    movl $\restorer, action + 8
    invoke4 __NR_rt_sigaction, \signal, $action, $0, $8
.endm

# on_stack: %eax = SS_ONSTACK when we are on the alternate stack, SS_DISABLE when there is none.
.macro on_stack
    invoke2 __NR_sigaltstack, $0, $described
    movl described + 4, %eax
.endm

.text
.globl _start
_start:
    act $SIGUSR1, nothing, SA_RESTORER, restorer
    kill_self $SIGUSR1
    check_equal "the program's own restorer leads back, old kind", $1, restored
    act $SIGUSR1, nothing, SA_RESTORER | SA_SIGINFO, rt_restorer
    kill_self $SIGUSR1
    check_equal "and new kind", $11, restored

    set_altstack $stack, $0, $8192
    act $SIGUSR1, fork_in_handler, SA_ONSTACK, 0
    kill_self $SIGUSR1
    on_stack                    # both come here
    shll $1, %eax
    orl %eax, where
    cmpl $0, forked
    jne 1f
    sys_exit where              # 1: on it in the handler; 2 more: and still on it
1:  invoke3 __NR_waitpid, forked, $status, $0
    check_equal "a handler on the alternate stack forks: the child is on it, too", $(1 << 8), status
    check_equal "both come back from it", $1, where

    sys_clone $(0x100 | 17), $clone_top
    testl %eax, %eax
    jnz 2f
    on_stack
    movl %eax, where
    sys_exit $0
2:  invoke3 __NR_waitpid, %eax, $0, $0
    check_equal "a thread's clone has none", $SS_DISABLE, where

    act $SIGUSR1, fork_in_handler, 0, 0
    invoke0 __NR_vfork
    testl %eax, %eax
    jnz 4f
    kill_self $SIGUSR1          # child and grandchild come back
    cmpl $0, forked
    jne 3f
    sys_exit $7
3:  invoke3 __NR_waitpid, forked, $status, $0
    movl $5, where
    sys_exit $0
4:  check_equal "in a vfork's child a handler forks, and the grandchild comes back from it", $(7 << 8), status
    check_equal "so does the child", $5, where
    movl %eax, %edi
    invoke3 __NR_waitpid, $-1, $0, $0

    act $SIGUSR1, count, 0, 0
    movl $0, calls
    invoke0 __NR_vfork
    testl %eax, %eax
    jnz 5f
    sys_getppid
    movl %eax, %edi
    sys_kill %edi, $SIGUSR1
    sys_sched_yield
    movl calls, %eax
    movl %eax, where
    sys_exit $0
5:  check_equal "a signal for the parent waits until vfork is over", $0, where
    check_equal "and is then taken", $1, calls
    invoke3 __NR_waitpid, $-1, $0, $0

    act $SIGUSR1, fork_twice, SA_NODEFER, 0
    movl $2, depth
    sys_getpid
    movl %eax, first
    movl $0, %esi               # how many we have reaped, and they
    kill_self $SIGUSR1
6:  invoke3 __NR_waitpid, $-1, $status, $0
    testl %eax, %eax
    js 7f
    movzbl status + 1, %eax
    addl %eax, %esi
    jmp 6b
7:  sys_getpid
    cmpl first, %eax
    je 8f
    incl %esi
    movl %esi, status
    sys_exit status
8:  check_equal "a handler that forks in a handler that forks: four processes", $3, %esi

    act $SIGCHLD, reap_and_fork, 0, 0
    movl $5, depth
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz gone
9:  cmpl $0, depth
    jg 9b
    check_equal "a handler of SIGCHLD that forks and reaps ends", $0, depth
    sys_exit $0

gone:
    sys_exit $0

nothing:
    ret

restorer:
    addl $1, restored
    popl %eax
    movl $__NR_sigreturn, %eax
    int $0x80

rt_restorer:
    addl $10, restored
    movl $__NR_rt_sigreturn, %eax
    int $0x80

count:
    incl calls
    ret

fork_in_handler:
    invoke0 __NR_fork
    movl %eax, forked
    on_stack
    andl $SS_ONSTACK, %eax
    movl %eax, where
    ret

fork_twice:                     # raises itself again on the way down: 2 levels, 4 processes
    decl depth
    jz 1f
    kill_self $SIGUSR1
1:  invoke0 __NR_fork
    ret

reap_and_fork:                  # each child's end starts the next one
    invoke3 __NR_waitpid, $-1, $0, $WNOHANG
    decl depth
    jz 1f
    invoke0 __NR_fork
    testl %eax, %eax
    jz gone
1:  ret

.data
restored:
    .long 0
where:
    .long 0
forked:
    .long 0
status:
    .long 0
calls:
    .long 0
depth:
    .long 0
first:
    .long 0
action:
    .long 0, 0, 0, 0, 0
described:
    .long 0, 0, 0

.bss
    .balign 16
stack:
    .space 8192
    .space 4096
clone_top:

.include "print.inc"
