# title: Pointers that the kernel must not believe
# expect stdout: ok: page 0: EFAULT
# expect stdout: ok: kernel memory: EFAULT
# expect stdout: ok: kernel memory, start of it: EFAULT
# expect stdout: ok: last byte of the address space: EFAULT
# expect stdout: ok: range that wraps around: EFAULT
# expect stdout: ok: bad pointer and huge length: EFAULT
# expect stdout: ok: good start, unmapped end: EFAULT
# expect stdout: ok: bad pointer, no bytes: 0
# expect stdout: ok: unmapped pointer for uname: EFAULT
# expect stdout: ok: read-only pointer for uname: EFAULT
# expect stdout: last bytes before the unmapped page
#
# Idea: a system call runs in ring 0, which may read anything. So the kernel checks each pointer
# against the user's part of the address space, and survives a fault while copying. The answer is
# EFAULT, never a crash, and never a byte of kernel memory on the screen.
# While stepping: `break syscall write`; after crossing, find the fixup of the kernel's fault.

.include "linux.inc"

.text
.globl _start
_start:
    sys_write $STDOUT_FILENO, $1, $1
    check_equal "page 0: EFAULT", $-EFAULT, %eax
    sys_write $STDOUT_FILENO, $KERNEL_ADDRESS, $16
    check_equal "kernel memory: EFAULT", $-EFAULT, %eax
    sys_write $STDOUT_FILENO, $0xC0000000, $1
    check_equal "kernel memory, start of it: EFAULT", $-EFAULT, %eax
    sys_write $STDOUT_FILENO, $0xFFFFFFFF, $1
    check_equal "last byte of the address space: EFAULT", $-EFAULT, %eax
    sys_write $STDOUT_FILENO, $0xFFFFFFF0, $32
    check_equal "range that wraps around: EFAULT", $-EFAULT, %eax
    sys_write $STDOUT_FILENO, $1, $0x7FFFFFFF
    check_equal "bad pointer and huge length: EFAULT", $-EFAULT, %eax

    # One page of heap, with text in its last bytes. Behind it nothing is mapped.
    sys_brk $0
    leal 2 * PAGE_SIZE - 1(%eax), %ebp
    andl $-PAGE_SIZE, %ebp      # end of the first whole page
    sys_brk %ebp
    cmpl %ebp, %eax
    jne no_heap
    movl $tail, %esi
    leal -TAIL_LENGTH(%ebp), %edi
    movl $TAIL_LENGTH, %ecx
    cld
    rep movsb
    leal -TAIL_LENGTH(%ebp), %edi
crossing:
    sys_write $STDOUT_FILENO, %edi, $(TAIL_LENGTH + 1)
    check_equal "good start, unmapped end: EFAULT", $-EFAULT, %eax
    sys_write $STDOUT_FILENO, $1, $0
    check_equal "bad pointer, no bytes: 0", $0, %eax

    movl $1, %ebx
    movl $__NR_uname, %eax
    int $0x80
    check_equal "unmapped pointer for uname: EFAULT", $-EFAULT, %eax
    movl $tail, %ebx
    movl $__NR_uname, %eax
    int $0x80
    check_equal "read-only pointer for uname: EFAULT", $-EFAULT, %eax

    sys_write $STDOUT_FILENO, %edi, $TAIL_LENGTH    # up to the very last byte is fine
    cmpl $TAIL_LENGTH, %eax
    jne no_heap
    sys_exit $0
no_heap:
    sys_exit $1

.section .rodata
tail:
    .ascii "last bytes before the unmapped page\n"
.equ TAIL_LENGTH, . - tail

.include "print.inc"
