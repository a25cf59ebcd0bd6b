# title: 1. One call, two returns
# expect stdout: I am the child
# expect stdout: I am the parent
# expect report forks.fork: 1
# expect report tasks[pid=3].exit_status: 7
#
# Task: call fork. The child writes "I am the child" and ends with status 7. The parent waits for it
# (sys_waitpid), then writes "I am the parent" and ends with status 0.
# Know: fork gives 0 in the child and the child's number in the parent, in %eax.
# While stepping: `break fork`, then `info regs` and `info frame` of both.

.include "linux.inc"

.text
.globl _start
_start:
    # Here: fork, and what the child does.
    say "I am the parent"
    sys_exit $0
