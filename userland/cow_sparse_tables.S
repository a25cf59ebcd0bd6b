# title: fork copies page tables only where there are any
# expect stdout: three islands of memory, all there in the child
# expect stdout: and the child's stores stay in the child
#
# Idea: a page table serves 4 MiB. The parent touches one page in each of three regions that lie far
# apart; fork makes one table for each of them, and none for all the memory between.
# While stepping: `break fork`, then `info tab` for both processes: the same slots are in use, with other
# tables behind them.

.include "linux.inc"
.include "mman.inc"

.equ FIRST,  0x20000000
.equ SECOND, 0x40000000
.equ THIRD,  0x60000000

.macro island address
    sys_mmap $\address, $(16 * PAGE_SIZE), $PROT_RW, $ANON_FIXED
    cmpl $\address, %eax
    jne failed
    movl $\address, \address + 8 * PAGE_SIZE
.endm

.text
.globl _start
_start:
    island FIRST
    island SECOND
    island THIRD
    run_child child
    testl %eax, %eax
    jnz failed
    cmpl $FIRST, FIRST + 8 * PAGE_SIZE
    jne failed
    cmpl $THIRD, THIRD + 8 * PAGE_SIZE
    jne failed
    say "and the child's stores stay in the child"
    sys_exit $0

child:
    cmpl $FIRST, FIRST + 8 * PAGE_SIZE
    jne failed
    cmpl $SECOND, SECOND + 8 * PAGE_SIZE
    jne failed
    cmpl $THIRD, THIRD + 8 * PAGE_SIZE
    jne failed
    say "three islands of memory, all there in the child"
    movl $0, FIRST + 8 * PAGE_SIZE
    movl $0, THIRD + 8 * PAGE_SIZE
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.include "print.inc"
