# title: The kernel's own store must never land in a frame that others read
# expect stdout: ok: the kernel stored into the first page
# expect stdout: ok: a page of zeros elsewhere is still zeros
# expect stdout: ok: after MADV_DONTNEED the page is zeros again
# expect stdout: ok: and the next store gets a frame of its own again
# expect stdout: ok: zeros elsewhere, even now
#
# Idea: CVE-2016-5195 ("Dirty COW"). The kernel breaks sharing for a store of its own, the page is thrown
# away in between, and the store goes to the original frame. Here the original is the zero page, which
# every untouched page of every process shares: each store by the kernel must look at the entry anew.
# While stepping: `info page` at both pages after each call: the frame of the first changes, that of the
# second is always the zero page.

.include "linux.inc"
.include "mman.inc"

.text
.globl _start
_start:
    sys_mmap $0, $(2 * PAGE_SIZE), $PROT_RW, $ANON_PRIVATE
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, %edi
    movl (%edi), %eax           # both pages map the zero page now
    orl PAGE_SIZE(%edi), %eax
    jnz failed
    call kernel_stores
    cmpl $0, (%edi)
    setne %al
    check_equal "the kernel stored into the first page", $1, %eax
    check_equal "a page of zeros elsewhere is still zeros", $0, PAGE_SIZE(%edi)
    sys_madvise %edi, $PAGE_SIZE, $MADV_DONTNEED
    check_equal "after MADV_DONTNEED the page is zeros again", $0, (%edi)
    call kernel_stores
    cmpl $0, (%edi)
    setne %al
    check_equal "and the next store gets a frame of its own again", $1, %eax
    check_equal "zeros elsewhere, even now", $0, PAGE_SIZE(%edi)
    sys_exit $0

kernel_stores:                  # uname fills the page at %edi
    movl %edi, %ebx
    movl $__NR_uname, %eax
    int $0x80
    testl %eax, %eax
    jnz failed
    ret

failed:
    say "failed"
    sys_exit $1

.include "print.inc"
