# title: Zombies, and waiting without waiting
# expect stdout: ok: WNOHANG gives 0 while the child lives
# expect stdout: ok: WNOHANG gives the pid once it has ended
# expect stdout: ok: the zombie kept its exit status
# expect stdout: ok: it can be reaped only once
#
# Idea: a process that has ended stays as a zombie, a pid and a status, until its parent asks.
# WNOHANG asks without sleeping.
# How the first answer is made certain: `lasting` lives until its parent has ended, so the parent
# is sure to find it alive. That parent is itself a child, `middle`.
# While stepping: break on dawdled; info tasks shows a task in state Z.

.include "linux.inc"

.text
.globl _start
_start:
    run_child middle
    testl %eax, %eax
    jnz failed

    sys_fork
    testl %eax, %eax
    js fork_failed
    jz ends_at_once
    movl %eax, %esi
    movl $50, %edi
dawdle:                         # the child ends meanwhile, and nobody asks
    sys_sched_yield
    decl %edi
    jnz dawdle
dawdled:
    sys_waitpid %esi, $status, $WNOHANG
    testl %eax, %eax
    jz dawdled                  # on a busy machine 50 yields may not be enough
    check_equal "WNOHANG gives the pid once it has ended", %esi, %eax
    check_equal "the zombie kept its exit status", $0x2a00, status
    sys_waitpid %esi, $status, $WNOHANG
    check_equal "it can be reaped only once", $-ECHILD, %eax
    sys_exit $0

ends_at_once:
    sys_exit $42

middle:
    sys_getpid
    movl %eax, %esi
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz lasting
    sys_waitpid %eax, $0, $WNOHANG
    check_equal "WNOHANG gives 0 while the child lives", $0, %eax
    sys_exit $0

lasting:
    sys_sched_yield
    sys_getppid
    cmpl %esi, %eax
    je lasting
    sys_exit $0

failed:
    sys_exit $1

.bss
status:
    .skip 4

.include "print.inc"
