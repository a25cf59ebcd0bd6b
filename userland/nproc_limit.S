# title: RLIMIT_NPROC: a fork bomb that fizzles out
# expect stdout: root forks beyond the limit
# expect stdout: ok: a user now
# expect stdout: ok: the limit is EAGAIN
# expect stdout: ok: five more than ourselves
# expect stdout: and after they have ended it can fork again
# native: no it needs root, and a user without processes
#
# Idea: the limit counts the processes of a user. Root is not limited; a user at the limit gets EAGAIN from
# fork, and can fork again when a process has ended.
# While stepping: `break syscall fork`: the refused one returns before copy_creds.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    invoke2 __NR_setrlimit, $RLIMIT_NPROC, $limit
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid %eax, $0, $0
    say "root forks beyond the limit"
    invoke1 __NR_setuid, $54321 # a user with no other process
    check_equal "a user now", $0, %eax
    xorl %ebp, %ebp
bomb:
    sys_fork
    testl %eax, %eax
    jz sleeper
    js full
    incl %ebp
    jmp bomb
full:
    check_equal "the limit is EAGAIN", $-EAGAIN, %eax
    check_equal "five more than ourselves", $5, %ebp
reap:
    sys_waitpid $ANY_CHILD, $0, $0
    testl %eax, %eax
    jg reap
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    say "and after they have ended it can fork again"
    sys_exit $0
sleeper:                        # stay until the bomb has gone off
    movl $30, %edi
1:  sys_sched_yield
    decl %edi
    jnz 1b
child:
    sys_exit $0

.section .rodata
limit:
    .long 6, 6

.include "print.inc"
