# title: Areas cut in pieces are copied on write like whole ones
# expect stdout: ok: before the hole
# expect stdout: the hole: signal 11
# expect stdout: the read-only page: signal 11
# expect stdout: ok: behind them
# expect stdout: ok: the parent's pages are as they were
# expect stdout: ok: writable again, the page has kept its word
#
# Idea: munmap and mprotect split one area into five; fork copies each with its own rights, and writes
# to each piece are copied, refused or have no memory. Giving the rights back merges the areas again.
# While stepping: `info vma` after mmap, munmap, each mprotect.

.include "linux.inc"
.include "mman.inc"

.equ MEMORY, 0x30000000
.equ PAGES,  8

.text
.globl _start
_start:
    sys_mmap $MEMORY, $(PAGES * PAGE_SIZE), $PROT_RW, $ANON_FIXED
    cmpl $MEMORY, %eax
    jne failed
    movl $PAGES, %ecx
1:  movl %ecx, (%eax)           # page n holds PAGES - n
    addl $PAGE_SIZE, %eax
    loop 1b
    sys_munmap $(MEMORY+2*PAGE_SIZE), $PAGE_SIZE
    testl %eax, %eax
    jnz failed
    sys_mprotect $(MEMORY+4*PAGE_SIZE), $PAGE_SIZE, $PROT_READ
    testl %eax, %eax
    jnz failed

    run_child before
    testl %eax, %eax
    jnz failed
    report_signal "the hole", hole
    report_signal "the read-only page", read_only
    run_child behind
    testl %eax, %eax
    jnz failed
    cmpl $8, MEMORY
    jne failed
    cmpl $4, MEMORY+4*PAGE_SIZE
    jne failed
    check_equal "the parent's pages are as they were", $1, MEMORY+7*PAGE_SIZE
    sys_mprotect $(MEMORY+4*PAGE_SIZE), $PAGE_SIZE, $PROT_RW
    addl $10, MEMORY+4*PAGE_SIZE
    check_equal "writable again, the page has kept its word", $14, MEMORY+4*PAGE_SIZE
    sys_exit $0

before:
    addl $100, MEMORY
    check_equal "before the hole", $108, MEMORY
    sys_exit $0
hole:
    movl $1, MEMORY + 2 * PAGE_SIZE
    sys_exit $0
read_only:
    movl $1, MEMORY+4*PAGE_SIZE
    sys_exit $0
behind:
    addl $100, MEMORY+7*PAGE_SIZE
    check_equal "behind them", $101, MEMORY+7*PAGE_SIZE
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.include "print.inc"
