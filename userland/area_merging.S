# title: neighbouring mappings become one, unless their pages could not be found again
# expect stdout: ok: two fresh neighbours are one area
# expect stdout: ok: a fresh one joins the lower of two that have pages
# expect stdout: ok: and is no part of the upper one
# expect stdout: ok: one with a page joins a fresh one
# expect stdout: ok: moved memory joins no neighbour
# expect stdout: ok: split by mprotect, written on both sides, joined again
# expect stdout: ok: written side by side with different rights, then joined
#
# Idea: an area of private memory knows its pages by their distance from its start (vm_pgoff) and by the
# set of areas that they may be in (anon_vma). Two areas merge when both agree. mremap tells how many
# there are: a range that lies in two areas cannot be made longer (EFAULT), one that lies in one has no
# room here (ENOMEM).
# While stepping: `info vma` before and behind each sys_mmap.

.include "linux.inc"
.include "mman.inc"

.equ A, 0x30000000
.equ PROT_ALL, 7

# one_area / two_areas TEXT, START, PAGES: what mremap says of a range.
.macro one_area text, start, pages
    sys_mremap $\start, $((\pages)*PAGE_SIZE), $((\pages+1)*PAGE_SIZE), $0
    check_equal "\text", $-ENOMEM, %eax
.endm
.macro two_areas text, start, pages
    sys_mremap $\start, $((\pages)*PAGE_SIZE), $((\pages+1)*PAGE_SIZE), $0
    check_equal "\text", $-EFAULT, %eax
.endm
.macro map page, pages, prot = $PROT_RW
    sys_mmap $(A+(\page)*PAGE_SIZE), $((\pages)*PAGE_SIZE), \prot, $ANON_FIXED
.endm
# A page that is nobody's neighbour: what ends there cannot grow.
.macro fence page
    map \page, 1, $PROT_READ
.endm

.text
.globl _start
_start:
    fence 2
    map 0, 1
    map 1, 1
    one_area "two fresh neighbours are one area", A, 2

    fence 7
    map 4, 1
    map 6, 1
    movl $1, A + 4 * PAGE_SIZE
    movl $1, A + 6 * PAGE_SIZE
    map 5, 1
    one_area "a fresh one joins the lower of two that have pages", A+4*PAGE_SIZE, 2
    two_areas "and is no part of the upper one", A+5*PAGE_SIZE, 2

    fence 0x12
    map 0x11, 1
    movl $1, A + 0x11 * PAGE_SIZE
    map 0x10, 1
    one_area "one with a page joins a fresh one", A+0x10*PAGE_SIZE, 2

    fence 0x22
    map 0x30, 1
    movl $1, A + 0x30 * PAGE_SIZE
    map 0x21, 1
    sys_mremap_fixed $(A+0x30*PAGE_SIZE), $PAGE_SIZE, $PAGE_SIZE, $(A+0x20*PAGE_SIZE)
    two_areas "moved memory joins no neighbour", A+0x20*PAGE_SIZE, 2

    fence 0x42
    map 0x40, 2
    sys_mprotect $(A+0x41*PAGE_SIZE), $PAGE_SIZE, $PROT_ALL
    movl $1, A + 0x40 * PAGE_SIZE
    movl $1, A + 0x41 * PAGE_SIZE
    sys_mprotect $(A+0x41*PAGE_SIZE), $PAGE_SIZE, $PROT_RW
    one_area "split by mprotect, written on both sides, joined again", A+0x40*PAGE_SIZE, 2

    fence 0x52
    map 0x50, 1
    map 0x51, 1, $PROT_ALL
    movl $1, A + 0x50 * PAGE_SIZE
    movl $1, A + 0x51 * PAGE_SIZE
    sys_mprotect $(A+0x51*PAGE_SIZE), $PAGE_SIZE, $PROT_RW
    one_area "written side by side with different rights, then joined", A+0x50*PAGE_SIZE, 2
    sys_exit $0

.include "print.inc"
