# title: A program that never ends
# expect stdout: looping
# expect status: 124
# options: --max-cycles 200000
# native: no it never ends, and a real machine has no cycle limit
#
# Idea: the timer takes the CPU away from a program whether it likes it or not; that is why the
# machine goes on around it. Here nobody else wants to run, so only the limit ends it.
# While stepping: `break trap 32` (the timer); see the loop interrupted and resumed.

.include "linux.inc"

.text
.globl _start
_start:
    say "looping"
forever:
    jmp forever
