# title: 3. Leave no zombies
# expect stdout-any-order: a child
# expect stdout-any-order: a child
# expect stdout-any-order: a child
# expect stdout: all are gone
# expect report forks.fork: 3
# expect report syscalls.waitpid.calls: 3
# expect report syscalls.waitpid.errors: 0
#
# Task: make three children that run side by side, each of which writes "a child". When all three have
# been waited for, write "all are gone".
# Know: waitpid of $-1 (ANY_CHILD) takes whichever child has ended. %esi and %edi keep their values.
# While stepping: `info tasks` after the second fork; who is in state Z, and until when?

.include "linux.inc"

.text
.globl _start
_start:
    movl $3, %esi
again:
    sys_fork
    testl %eax, %eax
    jz child
    decl %esi
    jnz again
    sys_waitpid $ANY_CHILD, $0, $0      # and the other two?
    say "all are gone"
    sys_exit $0

child:
    say "a child"
    sys_exit $0
