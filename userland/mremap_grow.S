# title: mremap moves pages, not bytes
# expect stdout: ok: grown where it was
# expect stdout: ok: in the way: it has to move
# expect stdout: ok: its word came along
# expect stdout: the old place: signal 11
# expect stdout: ok: the child's copy is its own
#
# Idea: a mapping becomes longer in place when the room behind it is free; otherwise its page-table
# entries are taken to another place. Frames, contents and sharing by fork stay what they are.
# While stepping: `info page` of the old and the new address around the second mremap: one frame.

.include "linux.inc"
.include "mman.inc"

.equ MEMORY, 0x30000000

.text
.globl _start
_start:
    sys_mmap $MEMORY, $PAGE_SIZE, $PROT_RW, $ANON_FIXED
    movl $42, MEMORY
    sys_mremap $MEMORY, $PAGE_SIZE, $(2 * PAGE_SIZE), $0
    check_equal "grown where it was", $MEMORY, %eax
    movl $43, MEMORY + PAGE_SIZE
    sys_mmap $(MEMORY+2*PAGE_SIZE), $PAGE_SIZE, $PROT_READ, $ANON_FIXED
    sys_mremap $MEMORY, $(2 * PAGE_SIZE), $(4 * PAGE_SIZE), $0
    check_equal "in the way: it has to move", $-ENOMEM, %eax
    sys_mremap $MEMORY, $(2 * PAGE_SIZE), $(4 * PAGE_SIZE), $MREMAP_MAYMOVE
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, memory
    check_equal "its word came along", $43, PAGE_SIZE(%eax)
    report_signal "the old place", old_place
    run_child child
    testl %eax, %eax
    jnz failed
    movl memory, %edi
    check_equal "the child's copy is its own", $42, (%edi)
    sys_exit $0

old_place:
    movl MEMORY, %eax
    sys_exit $0
child:
    movl memory, %edi
    incl (%edi)
    cmpl $43, (%edi)
    jne failed
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
memory: .long 0

.include "print.inc"
