# title: 10. When fork fails
# expect stdout: fork has failed, once more
# expect stdout: the child
# expect stdout: the parent
# expect report forks.fork: 1
# expect report forks.failed.ENOMEM: 1
# expect report frames.leaked: 0
# options: --fail-nth fork:3
# native: no the failure is injected
#
# Task: the first fork fails here: its third step finds no memory, and %eax is -12. The program takes
# that for a child's number. Let it see the error, write "fork has failed, once more", and try again.
# Know: an error is a negative number, from -4095 to -1.
# While stepping: `info log`; --fail-nth N lets another step fail. Is anything left behind?

.include "linux.inc"

.text
.globl _start
_start:
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    say "the parent"
    sys_exit $0

child:
    say "the child"
    sys_exit $0
