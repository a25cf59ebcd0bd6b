# title: madvise(MADV_DONTFORK): memory that a child does not get
# expect stdout: the child without it: signal 11
# expect stdout: ok: the parent still has it
# expect stdout: the child after MADV_DOFORK: signal 0
#
# Idea: fork leaves an area with VM_DONTCOPY out: the child has neither the area nor its pages. For the
# parent nothing changes, and MADV_DOFORK takes the mark away.
# While stepping: `info vma` in both processes after the first fork: the child has an area less.

.include "linux.inc"
.include "mman.inc"

.text
.globl _start
_start:
    sys_mmap $0, $PAGE_SIZE, $PROT_RW, $ANON_PRIVATE
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, memory
    movl $7, (%eax)
    sys_madvise memory, $PAGE_SIZE, $MADV_DONTFORK
    testl %eax, %eax
    jnz failed
    report_signal "the child without it", child
    movl memory, %eax
    check_equal "the parent still has it", $7, (%eax)
    sys_madvise memory, $PAGE_SIZE, $MADV_DOFORK
    testl %eax, %eax
    jnz failed
    report_signal "the child after MADV_DOFORK", child
    sys_exit $0

child:
    movl memory, %eax
    cmpl $7, (%eax)
    jne failed
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
memory: .long 0

.include "print.inc"
