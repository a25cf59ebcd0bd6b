# title: The parent's next write faults, however recently it wrote
# expect stdout: ok: the child reads what was there at fork
# expect stdout: ok: the parent keeps its own
# expect report tasks[pid=2].cow_copied: 1
#
# Idea: the CPU remembers translations. The parent has just written its page, so the CPU holds an entry
# that says "writable"; fork changes the entry in memory and must make the CPU forget. Without the
# flush the parent's store goes through to the shared frame, and the child reads it.
# Why this count: the parent writes `page` and nothing else between fork and waitpid while the child
# holds everything (no stack: the child sees to its output after the parent's store, and its stack page
# is its own affair); later writes of the parent meet frames that only it has.
# While stepping: `break fork`, `stepi` to the store: error code 7 although the same store went through
# before.

.include "linux.inc"

.text
.globl _start
_start:
    movl $1, page
    incl page                   # the translation is in the TLB now, with its write bit
    sys_fork
    testl %eax, %eax
    jz child
    js failed
    movl $9, page               # at once: whoever runs first, this is the parent's
    movl %eax, %esi
    sys_waitpid %esi, $0, $0
    check_equal "the parent keeps its own", $9, page
    sys_exit $0

child:
    sys_sched_yield             # let the parent store first
    check_equal "the child reads what was there at fork", $2, page
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
.balign PAGE_SIZE
page:
    .long 0
.balign PAGE_SIZE

.include "print.inc"
