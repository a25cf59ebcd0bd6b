# title: The old way: fork copies every page
# expect stdout: child wrote, parent still reads 1
# expect report faults.cow_copied: 0
# expect report faults.cow_reused: 0
# options: --fork eager
# native: no a real Linux has only copy-on-write
#
# Idea: what cow_copy_reuse.S does, with a fork that copies at once. The program cannot tell the
# difference; its frames and cycles can: no fault, and a frame for every page whether written or not.
# Why these counts: nothing is shared, so no write finds a page write-protected.
# While stepping: `break fork`, then `info frame` for both: no frame has two references.

.include "linux.inc"

.text
.globl _start
_start:
    movl $1, shared
    sys_fork
    testl %eax, %eax
    js failed
    jz child
    sys_waitpid %eax, $0, $0
    cmpl $1, shared
    jne failed
    say "child wrote, parent still reads 1"
    movl $3, shared
    sys_exit $0

child:
    movl $2, shared
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
.balign PAGE_SIZE
shared: .long 0
