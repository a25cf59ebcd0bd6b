# title: Every entry counts: a frame is free only when nobody maps it
# expect stdout: ok: the grandchild still reads the word of the first fork
# expect stdout: ok: and the first process has its own
#
# Idea: three processes map one frame. Two references come and go: the middle process ends, the first one
# writes. With a count that is one too low, the frame would be freed or reused while the grandchild
# maps it, and the next page that anybody touches would change the grandchild's memory.
# While stepping: `info frame` of `page` after each fork and exit: 1, 2, 3, 2, and a copy.

.include "linux.inc"
.include "mman.inc"

.equ PAGES, 64

.text
.globl _start
_start:
    movl $0x1234, page
    sys_mmap $0, $PAGE_SIZE, $PROT_RW, $ANON_SHARED
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, turn
    sys_fork
    testl %eax, %eax
    jz middle
    js failed
    sys_waitpid %eax, $0, $0    # the middle process has ended, the grandchild has not
    movl $0x5678, page          # two references: a copy
    call touch_much             # whatever is free gets used now
    movl turn, %edi
    movl $1, (%edi)
1:  sys_sched_yield
    cmpl $2, (%edi)
    jne 1b
    check_equal "and the first process has its own", $0x5678, page
    sys_exit $0

middle:
    sys_fork
    testl %eax, %eax
    jz grandchild
    js failed
    sys_exit $0

grandchild:
    movl turn, %edi
2:  sys_sched_yield
    cmpl $1, (%edi)
    jne 2b
    check_equal "the grandchild still reads the word of the first fork", $0x1234, page
    movl $2, (%edi)
    sys_exit $0

touch_much:
    sys_mmap $0, $(PAGES * PAGE_SIZE), $PROT_RW, $ANON_PRIVATE
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl $PAGES, %ecx
3:  movl $-1, (%eax)
    addl $PAGE_SIZE, %eax
    loop 3b
    ret

failed:
    say "failed"
    sys_exit $1

.data
turn:   .long 0
.balign PAGE_SIZE
page:   .long 0

.include "print.inc"
