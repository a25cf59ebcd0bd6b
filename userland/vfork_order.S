# title: vfork: the child first, in the parent's own memory
# expect stdout: child: the parent sleeps
# expect stdout: ok: the parent goes on after the child
# expect stdout: ok: it sees what the child stored
# expect stdout: ok: the child ended with its own status
#
# Idea: vfork makes a child that runs in the parent's address space, on the parent's stack even, and the
# parent sleeps until the child has exec'd or exited. So what the child stores is there afterwards, and
# the order of the two is no accident.
# While stepping: `info tasks` after vfork shows the parent in state D; the two tasks have one page directory.
# Nothing is copied, so `break cow` never stops.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    invoke0 __NR_vfork_call
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %esi             # the child's pid
    incl step                   # the child was here first: 2
    check_equal "the parent goes on after the child", $2, step
    check_equal "it sees what the child stored", $77, note
    sys_waitpid %esi, $status, $0
    check_equal "the child ended with its own status", $0x500, status
    sys_exit $0

child:
    say "child: the parent sleeps"
    movl $77, note
    incl step
    sys_exit $5                 # not `ret`: the stack is the parent's too

.data
step:
    .long 0
note:
    .long 0
status:
    .long 0

.include "print.inc"
