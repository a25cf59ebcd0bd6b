# title: 4. Three forks in a row
# expect stdout-any-order: here
# expect stdout-any-order: here
# expect stdout-any-order: here
# expect stdout-any-order: here
# expect stdout-any-order: here
# expect stdout-any-order: here
# expect stdout-any-order: here
# expect stdout-any-order: here
# expect report forks.fork: 7
# expect report tasks[pid=2].exit_status: 0
#
# Task: the program forks once, and two processes write "here". Make it eight by adding two more
# calls of fork and nothing else, and see to it that no process ends before its children: each waits
# until waitpid says that there is none left (a negative answer).
# Know: whoever returns from fork goes on behind it, the child too.
# While stepping: `break fork` and `info tasks --tree` each time.

.include "linux.inc"

.text
.globl _start
_start:
    sys_fork
    say "here"
    sys_exit $0
