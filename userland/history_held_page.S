# title: A page that the kernel still holds is not reused in place
# expect stdout: ok: the child reads what was spliced, not what came later
#
# Idea: CVE-2020-29374. The child puts a shared page into a pipe without a copy (vmsplice) and unmaps it.
# Now only the parent maps the frame: a kernel that counts entries would give the parent its write bit
# back, and the child would read the parent's later secret from the pipe. What counts is every
# reference, the pipe's included: the parent's write must be copied.
# While stepping: `break cow`: at the parent's store the frame has one entry and two references.

.include "linux.inc"
.include "mman.inc"

.equ __NR_read,     3
.equ __NR_pipe,     42
.equ __NR_vmsplice, 316

.text
.globl _start
_start:
    movl $pipe_ends, %ebx
    movl $__NR_pipe, %eax
    int $0x80
    testl %eax, %eax
    jnz failed
    movl $turn_ends, %ebx
    movl $__NR_pipe, %eax
    int $0x80
    testl %eax, %eax
    jnz failed
    sys_mmap $0, $PAGE_SIZE, $PROT_RW, $ANON_PRIVATE
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, page
    movl $1, (%eax)
    sys_mmap $0, $PAGE_SIZE, $PROT_RW, $ANON_SHARED
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, turn
    sys_fork
    testl %eax, %eax
    jz child
    js failed
    movl %eax, %esi

    movl turn_ends, %ebx        # wait until the child has spliced
    movl $word, %ecx
    movl $4, %edx
    movl $__NR_read, %eax
    int $0x80
    cmpl $4, %eax
    jne failed
    movl page, %edi
    movl $0x5ec7e7, (%edi)
    movl turn, %edi
    movl $1, (%edi)             # the child may read now
    sys_waitpid %esi, $word, $0
    cmpl $0, word
    jne failed
    sys_exit $0

child:
    movl page, %eax
    movl %eax, vector
    movl pipe_ends + 4, %ebx
    movl $vector, %ecx
    movl $1, %edx
    xorl %esi, %esi
    movl $__NR_vmsplice, %eax
    int $0x80
    cmpl $4, %eax
    jne failed
    sys_munmap page, $PAGE_SIZE
    testl %eax, %eax
    jnz failed
    sys_write turn_ends + 4, $vector, $4
1:  sys_sched_yield
    movl turn, %edi
    cmpl $0, (%edi)
    je 1b
    movl pipe_ends, %ebx
    movl $word, %ecx
    movl $4, %edx
    movl $__NR_read, %eax
    int $0x80
    cmpl $4, %eax
    jne failed
    check_equal "the child reads what was spliced, not what came later", $1, word
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
pipe_ends:  .long 0, 0
turn_ends:  .long 0, 0
page:       .long 0
turn:       .long 0
vector:     .long 0, 4          # struct iovec
word:       .long 0

.include "print.inc"
