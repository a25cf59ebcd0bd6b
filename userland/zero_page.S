# title: Memory never written costs one frame for all
# expect stdout: ok: fresh memory reads as zero
# expect stdout: ok: a write stays
# expect stdout: ok: the neighbour is still zero
# expect report faults.zero_page: 4
#
# Idea: the first read of an untouched page maps one frame of zeros, shared by everybody,
# read-only. The first write gives the page a frame of its own.
# Why 4: four pages of .bss are read before anything is written there. Each read maps the zero
# page once.
# While stepping: at all_read, info page for pages and pages+4096: the same frame. At written: no
# more.

.include "linux.inc"

.equ PAGES, 4

.text
.globl _start
_start:
    xorl %eax, %eax             # all words read, or'ed together
    movl $pages, %esi
    movl $PAGES, %ecx
read:
    orl (%esi), %eax
    addl $PAGE_SIZE, %esi
    decl %ecx
    jnz read
all_read:
    check_equal "fresh memory reads as zero", $0, %eax
    movl $7, pages
written:
    check_equal "a write stays", $7, pages
    check_equal "the neighbour is still zero", $0, pages + PAGE_SIZE
    sys_exit $0

.bss
.balign PAGE_SIZE
pages:
    .skip PAGES * PAGE_SIZE

.include "print.inc"
