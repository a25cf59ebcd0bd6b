# title: A file in memory: private pages are copies, shared pages are the file
# expect stdout: ok: a private page reads as the file
# expect stdout: ok: a private store stays in memory
# expect stdout: ok: the file still has its first word
# expect stdout: ok: a shared store is in the file
# expect stdout: ok: and the untouched private page beside sees it
# expect stdout: ok: the kernel stores into a shared page: the file has it
# expect stdout: ok: a child's shared store is in the file
# expect stdout: behind the end of the file: signal 7
#
# Idea: both mappings find the same frames, those of the page cache. The private one maps them without
# the write bit, so that the first store is copied, exactly as after a fork; the shared one with it.
# While stepping: `break cow`; `info page` of both mappings: one frame until the private store.

.include "linux.inc"
.include "mman.inc"

.equ __NR_read,   3
.equ __NR_open,   5
.equ __NR_unlink, 10
.equ __NR_lseek,  19
.equ O_RDWR_CREAT_TRUNC, 01102

.macro rewind
    movl fd, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    movl $__NR_lseek, %eax
    int $0x80
.endm

# The file's word at the present offset, by read.
.macro read_word
    movl fd, %ebx
    movl $word, %ecx
    movl $4, %edx
    movl $__NR_read, %eax
    int $0x80
    cmpl $4, %eax
    jne failed
.endm

.text
.globl _start
_start:
    movl $path, %ebx
    movl $O_RDWR_CREAT_TRUNC, %ecx
    movl $0600, %edx
    movl $__NR_open, %eax
    int $0x80
    testl %eax, %eax
    js failed
    movl %eax, fd
    movl $path, %ebx
    movl $__NR_unlink, %eax
    int $0x80
    sys_write fd, $contents, $(2*PAGE_SIZE)
    cmpl $(2*PAGE_SIZE), %eax
    jne failed
    sys_mmap_file fd, $(3*PAGE_SIZE), $PROT_RW, $MAP_PRIVATE, $0
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, private
    sys_mmap_file fd, $(3*PAGE_SIZE), $PROT_RW, $MAP_SHARED, $0
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, shared

    movl private, %esi
    check_equal "a private page reads as the file", $0x1111, (%esi)
    movl $0x2222, (%esi)
    check_equal "a private store stays in memory", $0x2222, (%esi)
    rewind
    read_word
    check_equal "the file still has its first word", $0x1111, word

    movl shared, %edi
    movl $0x3333, PAGE_SIZE(%edi)
    movl fd, %ebx
    movl $PAGE_SIZE, %ecx
    xorl %edx, %edx
    movl $__NR_lseek, %eax
    int $0x80
    read_word
    check_equal "a shared store is in the file", $0x3333, word
    movl private, %esi
    check_equal "and the untouched private page beside sees it", $0x3333, PAGE_SIZE(%esi)

    movl shared, %edi
    movl %edi, %ebx
    movl $__NR_uname, %eax      # the kernel's own store, through the shared mapping
    int $0x80
    testl %eax, %eax
    jnz failed
    rewind
    read_word
    movl shared, %edi
    movl (%edi), %eax
    check_equal "the kernel stores into a shared page: the file has it", %eax, word

    run_child child
    testl %eax, %eax
    jnz failed
    rewind
    read_word
    check_equal "a child's shared store is in the file", $0x4444, word
    report_signal "behind the end of the file", behind
    sys_exit $0

child:
    movl shared, %edi
    movl $0x4444, (%edi)
    sys_exit $0
behind:
    movl shared, %edi
    movl 2*PAGE_SIZE(%edi), %eax
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.section .rodata
path: .asciz "/tmp/toykernel-mmap-file"

.data
fd:      .long 0
private: .long 0
shared:  .long 0
word:    .long 0
.balign PAGE_SIZE
contents:
    .long 0x1111
    .zero PAGE_SIZE-4
    .long 0x5555
    .zero PAGE_SIZE-4

.include "print.inc"
