# title: After fork, no write is seen by the other process
# expect stdout: ok: child sees .data as before the fork
# expect stdout: ok: child sees .bss as before the fork
# expect stdout: ok: child sees the stack as before the fork
# expect stdout: ok: child sees the heap as before the fork
# expect stdout: ok: parent keeps its .data
# expect stdout: ok: parent keeps its .bss
# expect stdout: ok: parent keeps its stack
# expect stdout: ok: parent keeps its heap
#
# Idea: four kinds of memory, all private. The parent writes all four right after the fork, the
# child reads what was there before, then writes its own values; the parent does not see those.
# While stepping: at child and at parent look at the page of in_data (info page): same frame and
# read-only after fork, two frames after the first write.

.include "linux.inc"

.equ BEFORE, 100                # values tell who wrote
.equ PARENT, 200
.equ CHILD,  300

.text
.globl _start
_start:
    sys_brk $0
    movl %eax, %edi             # first byte of the heap
    leal PAGE_SIZE(%edi), %ecx
    sys_brk %ecx
    pushl $BEFORE               # (%esp) is the word on the stack
    movl %esp, %ebp
    movl $BEFORE, in_data
    movl $BEFORE, in_bss
    movl $BEFORE, (%edi)
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child

parent:
    movl $PARENT, in_data
    movl $PARENT, in_bss
    movl $PARENT, (%ebp)
    movl $PARENT, (%edi)
    sys_waitpid %eax, $0, $0
    check_equal "parent keeps its .data", $PARENT, in_data
    check_equal "parent keeps its .bss", $PARENT, in_bss
    check_equal "parent keeps its stack", $PARENT, (%ebp)
    check_equal "parent keeps its heap", $PARENT, (%edi)
    sys_exit $0

child:
    check_equal "child sees .data as before the fork", $BEFORE, in_data
    check_equal "child sees .bss as before the fork", $BEFORE, in_bss
    check_equal "child sees the stack as before the fork", $BEFORE, (%ebp)
    check_equal "child sees the heap as before the fork", $BEFORE, (%edi)
    movl $CHILD, in_data
    movl $CHILD, in_bss
    movl $CHILD, (%ebp)
    movl $CHILD, (%edi)
    sys_exit $0

.data
in_data:
    .long 0

.bss
in_bss:
    .skip 4

.include "print.inc"
