# title: 2. A message of eight bits
# expect stdout: the child said 42
# expect report forks.fork: 1
# expect report tasks[pid=3].exit_status: 42
#
# Task: the child ends with status 42, and the parent prints the number it got from waitpid.
# Know: waitpid stores a word at the address that it is given. The low seven bits are the signal that
# killed, the second byte is the exit status.
# While stepping: `break syscall waitpid`, `out`, then `x/wx status`.

.include "linux.inc"

.text
.globl _start
_start:
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $status, $0
    movl status, %eax
    shrl $8, %eax
    andl $0xff, %eax
    say_decimal "the child said ", %eax
    sys_exit $0

child:
    sys_exit $42

.data
status:
    .long 0

.include "print.inc"
