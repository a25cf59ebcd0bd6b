# title: MAP_SHARED memory stays shared over fork
# expect stdout: ok: the child reads the parent's word
# expect stdout: ok: the parent reads the child's answer
# expect stdout: ok: even on a page that neither had touched at fork
# expect stdout: ok: private memory beside it is private
#
# Idea: pages of a shared mapping belong to an object, not to a process. fork does not copy their
# entries at all: a fault finds the same frame again, and no write is ever copied.
# While stepping: `info page` for both processes at the shared page: one frame, writable in both.

.include "linux.inc"
.include "mman.inc"

.text
.globl _start
_start:
    sys_mmap $0, $(2 * PAGE_SIZE), $PROT_RW, $ANON_SHARED
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, memory
    movl $1, (%eax)
    movl $1, private
    run_child child
    testl %eax, %eax
    jnz failed
    movl memory, %edi
    check_equal "the parent reads the child's answer", $2, (%edi)
    check_equal "even on a page that neither had touched at fork", $3, PAGE_SIZE(%edi)
    check_equal "private memory beside it is private", $1, private
    sys_exit $0

child:
    movl memory, %edi
    check_equal "the child reads the parent's word", $1, (%edi)
    movl $2, (%edi)
    movl $3, PAGE_SIZE(%edi)
    movl $4, private
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
memory:  .long 0
private: .long 0

.include "print.inc"
