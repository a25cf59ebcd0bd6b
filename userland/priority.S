# title: Nice levels and scheduling policies, without asking for privileges
# expect stdout: ok: a program starts at nice 0: getpriority says 20
# expect stdout: ok: nice adds
# expect stdout: ok: and stops at 19
# expect stdout: ok: setpriority is bounded, too
# expect stdout: ok: a child inherits it
# expect stdout: ok: nobody has that pid: ESRCH
# expect stdout: ok: a `which` that is none: EINVAL
# expect stdout: ok: the policy is SCHED_OTHER
# expect stdout: ok: its priority is 0
# expect stdout: ok: FIFO goes to 99
# expect stdout: ok: and starts at 1
# expect stdout: ok: a policy that is none: EINVAL
# expect stdout: ok: SCHED_OTHER with a priority: EINVAL
# expect stdout: ok: FIFO without one: EINVAL
# expect stdout: ok: anybody may be SCHED_BATCH
# expect stdout: ok: and is it then
# expect stdout: ok: SCHED_RESET_ON_FORK is shown
# expect stdout: ok: a child is not born with it
# expect stdout: ok: a parameter at address 0: EINVAL
#
# Idea: a nice level is a weight: 1024 for 0, a factor of 1.25 for each step. Policies other than
# FIFO and RR only say how a task competes with others of its kind.
# While stepping: `info tasks` shows weights and virtual run times.

.include "linux.inc"
.include "sched.inc"

.text
.globl _start
_start:
    call2 __NR_getpriority, $PRIO_PROCESS, $0
    check_equal "a program starts at nice 0: getpriority says 20", $20, %eax
    call2 __NR_nice, $5, $0
    call2 __NR_getpriority, $PRIO_PROCESS, $0
    check_equal "nice adds", $15, %eax
    call2 __NR_nice, $100, $0
    call2 __NR_getpriority, $PRIO_PROCESS, $0
    check_equal "and stops at 19", $1, %eax
    call3 __NR_setpriority, $PRIO_PROCESS, $0, $1000
    check_equal "setpriority is bounded, too", $0, %eax

    sys_fork
    testl %eax, %eax
    js fork_failed
    jnz 1f
    call2 __NR_getpriority, $PRIO_PROCESS, $0
    check_equal "a child inherits it", $1, %eax
    sys_exit $0
1:  sys_waitpid %eax, $0, $0

    call2 __NR_getpriority, $PRIO_PROCESS, $4000000
    check_equal "nobody has that pid: ESRCH", $-ESRCH, %eax
    call2 __NR_getpriority, $3, $0
    check_equal "a `which` that is none: EINVAL", $-EINVAL, %eax

    call2 __NR_sched_getscheduler, $0, $0
    check_equal "the policy is SCHED_OTHER", $SCHED_OTHER, %eax
    call2 __NR_sched_getparam, $0, $param
    check_equal "its priority is 0", $0, param
    call2 __NR_sched_get_priority_max, $SCHED_FIFO, $0
    check_equal "FIFO goes to 99", $99, %eax
    call2 __NR_sched_get_priority_min, $SCHED_FIFO, $0
    check_equal "and starts at 1", $1, %eax
    call2 __NR_sched_get_priority_max, $77, $0
    check_equal "a policy that is none: EINVAL", $-EINVAL, %eax
    call3 __NR_sched_setscheduler, $0, $SCHED_OTHER, $one
    check_equal "SCHED_OTHER with a priority: EINVAL", $-EINVAL, %eax
    call3 __NR_sched_setscheduler, $0, $SCHED_FIFO, $zero
    check_equal "FIFO without one: EINVAL", $-EINVAL, %eax
    call3 __NR_sched_setscheduler, $0, $SCHED_BATCH, $zero
    check_equal "anybody may be SCHED_BATCH", $0, %eax
    call2 __NR_sched_getscheduler, $0, $0
    check_equal "and is it then", $SCHED_BATCH, %eax
    call3 __NR_sched_setscheduler, $0, $(SCHED_BATCH | SCHED_RESET_ON_FORK), $zero
    call2 __NR_sched_getscheduler, $0, $0
    check_equal "SCHED_RESET_ON_FORK is shown", $(SCHED_BATCH | SCHED_RESET_ON_FORK), %eax
    sys_fork
    testl %eax, %eax
    js fork_failed
    jnz 1f
    call2 __NR_sched_getscheduler, $0, $0
    check_equal "a child is not born with it", $SCHED_BATCH, %eax
    sys_exit $0
1:  sys_waitpid %eax, $0, $0
    call2 __NR_sched_getparam, $0, $0
    check_equal "a parameter at address 0: EINVAL", $-EINVAL, %eax
    sys_exit $0

.data
param:
    .long -1
zero:
    .long 0
one:
    .long 1

.include "print.inc"
