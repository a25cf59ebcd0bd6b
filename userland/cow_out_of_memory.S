# title: Out of memory in a copy-on-write fault: who needs the page dies, nobody else notices
# expect stdout: the child that wrote everything: signal 9
# expect stdout: ok: every page of the parent is as it was
# options: --memory 4M
# native: no a real Linux would have to run out of all its memory
#
# Idea: fork promises pages that it does not have. The parent fills more than half of the memory; the
# child, sharing all of it, writes page after page until no frame is left for the next copy. The kernel
# kills the child: it cannot go on, and no other memory may change.
# While stepping: `break cow`; count the free frames in `info mem` from stop to stop.

.include "linux.inc"
.include "mman.inc"

.equ PAGES, 600                 # of about 1000 frames

.text
.globl _start
_start:
    sys_mmap $0, $(PAGES * PAGE_SIZE), $PROT_RW, $ANON_PRIVATE
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, memory
    movl $PAGES, %ecx
1:  movl %ecx, (%eax)
    addl $PAGE_SIZE, %eax
    loop 1b
    report_signal "the child that wrote everything", child
    movl memory, %eax
    movl $PAGES, %ecx
2:  cmpl %ecx, (%eax)
    jne failed
    addl $PAGE_SIZE, %eax
    loop 2b
    xorl %eax, %eax
    check_equal "every page of the parent is as it was", $0, %eax
    sys_exit $0

child:
    movl memory, %eax
    movl $PAGES, %ecx
3:  movl $0, (%eax)
    addl $PAGE_SIZE, %eax
    loop 3b
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
memory: .long 0

.include "print.inc"
