# Carries out a table of memory operations and writes their results: the same table, the same bytes,
# on any Linux. Each operation is four words: what, and three arguments. A page is touched by a child,
# whose wait status is the result, so that a signal is a result like any other.

.include "linux.inc"
.include "mman.inc"

.equ OP_END,        0
.equ OP_MMAP,       1           # address, length, prot and flags (prot << 16 | flags)
.equ OP_MUNMAP,     2           # address, length
.equ OP_MPROTECT,   3           # address, length, prot
.equ OP_MADVISE,    4           # address, length, advice
.equ OP_STORE,      5           # address, value: the table's author knows that it may be written
.equ OP_PROBE_READ, 6           # address: a child ends with the byte as its status
.equ OP_PROBE_WRITE,7           # address, value: a child stores and ends with what it reads then
.equ OP_MREMAP,     8           # address, old length, new length: MAYMOVE is not given
.equ OP_MINCORE,    9           # address, length: at most 16 pages; result, then the 16 bytes
.equ OP_FORK,       10          # a child carries out the rest, then this process does
.equ OP_LOAD,       11          # address: the word there

.text
.globl _start
_start:
    cld
    movl $results, result
    movl $table, %esi

next:
    movl (%esi), %eax
    cmpl $12, %eax
    jae bad
    jmp *dispatch(,%eax,4)

done:                           # %eax is the result of an operation
    movl next_op, %esi
    movl result, %edi
    stosl
    movl %edi, result
    jmp next

.macro arguments
    leal 16(%esi), %eax
    movl %eax, next_op
    movl 4(%esi), %ebx
    movl 8(%esi), %ecx
    movl 12(%esi), %edx
.endm

op_mmap:
    arguments
    movl %edx, %esi
    andl $0xffff, %esi
    shrl $16, %edx
    movl $-1, %edi
    xorl %ebp, %ebp
    movl $__NR_mmap2, %eax
    int $0x80
    jmp done

op_munmap:
    arguments
    movl $__NR_munmap, %eax
    int $0x80
    jmp done

op_mprotect:
    arguments
    movl $__NR_mprotect, %eax
    int $0x80
    jmp done

op_madvise:
    arguments
    movl $__NR_madvise, %eax
    int $0x80
    jmp done

op_mremap:
    arguments
    xorl %esi, %esi
    movl $__NR_mremap, %eax
    int $0x80
    jmp done

op_store:
    arguments
    movl %ecx, (%ebx)
    xorl %eax, %eax
    jmp done

op_load:
    arguments
    movl (%ebx), %eax
    jmp done

op_probe_read:
    arguments
    movl %ebx, %edi
    sys_fork
    testl %eax, %eax
    js bad
    jnz wait_for_probe
    movzbl (%edi), %ebx
    movl $__NR_exit, %eax
    int $0x80

op_probe_write:
    arguments
    movl %ebx, %edi
    movl %ecx, %ebp
    sys_fork
    testl %eax, %eax
    js bad
    jnz wait_for_probe
    movl %ebp, (%edi)
    movzbl (%edi), %ebx
    movl $__NR_exit, %eax
    int $0x80

wait_for_probe:
    sys_waitpid %eax, $status, $0
    movl status, %eax
    andl $~STATUS_CORE, %eax
    jmp done

op_mincore:
    arguments
    movl result, %edx
    addl $4, %edx
    movl $__NR_mincore, %eax
    int $0x80
    movl result, %edi
    stosl
    movl $16, %ecx
1:  andb $1, (%edi)             # the other bits mean nothing
    incl %edi
    loop 1b
    movl %edi, result
    movl next_op, %esi
    jmp next

op_fork:
    arguments
    sys_fork
    testl %eax, %eax
    js bad
    jz 1f
    sys_waitpid %eax, $status, $0
    movl status, %eax
    jmp done
1:  movl $0x600dc0de, %eax
    jmp done

op_end:
    movl result, %edx
    subl $results, %edx
    sys_write $STDOUT_FILENO, $results, %edx
    sys_exit $0

bad:
    sys_exit $99

.section .rodata
.balign 4
dispatch:
    .long op_end, op_mmap, op_munmap, op_mprotect, op_madvise, op_store, op_probe_read
    .long op_probe_write, op_mremap, op_mincore, op_fork, op_load

.data
.balign 4
result:     .long 0
next_op:    .long 0
status:     .long 0

.bss
.balign 4
results:    .zero 16384
