# title: The heap: brk
# expect stdout: ok: grown by two pages
# expect stdout: ok: new memory is zero
# expect stdout: ok: writes stay
# expect stdout: ok: shrunk by one page
# expect stdout: ok: the page that stayed kept its value
# expect stdout: touching what was given back: signal 11
# expect stdout: ok: grown again
# expect stdout: ok: what came back is zero again
# expect stdout: ok: below the start: refused, unchanged
# expect stdout: ok: into kernel memory: refused, unchanged
#
# Idea: brk moves the end of one area. Pages come when touched, always zero, and go when the end
# moves below them. A refusal is not an error number: the old end is returned.
# While stepping: `break syscall brk`; info vma before and after.

.include "linux.inc"

.text
.globl _start
_start:
    sys_brk $0
    addl $(PAGE_SIZE - 1), %eax
    andl $-PAGE_SIZE, %eax
    movl %eax, %esi             # start of the first whole page
    leal 2 * PAGE_SIZE(%esi), %edi
    sys_brk %edi
    check_equal "grown by two pages", %edi, %eax
    movl (%esi), %eax
    orl PAGE_SIZE(%esi), %eax
    check_equal "new memory is zero", $0, %eax
    movl $111, (%esi)
    movl $222, PAGE_SIZE(%esi)
    check_equal "writes stay", $222, PAGE_SIZE(%esi)

    leal PAGE_SIZE(%esi), %ebp
    sys_brk %ebp
    check_equal "shrunk by one page", %ebp, %eax
    check_equal "the page that stayed kept its value", $111, (%esi)
    report_signal "touching what was given back", touch

    sys_brk %edi
    check_equal "grown again", %edi, %eax
    check_equal "what came back is zero again", $0, PAGE_SIZE(%esi)

    sys_brk $PAGE_SIZE          # far below the program itself
    check_equal "below the start: refused, unchanged", %edi, %eax
    sys_brk $0xFFFFF000
    check_equal "into kernel memory: refused, unchanged", %edi, %eax
    sys_exit $0

touch:
    movl PAGE_SIZE(%esi), %eax
    sys_exit $0

.include "print.inc"
