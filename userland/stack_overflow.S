# title: Recursion without an end
# expect stdout: going down
# expect signal: SIGSEGV
#
# Idea: the stack grows by itself, but not for ever: below its limit (8 MiB by default) a push is
# a write to unmapped memory like any other.
# While stepping: `break trap 14`; compare the last fault with the one before.

.include "linux.inc"

.text
.globl _start
_start:
    say "going down"
recurse:
    call recurse
