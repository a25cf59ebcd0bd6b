# title: The classic fork sample, and what it costs
# expect stdout-any-order: This is Parent
# expect stdout-any-order: This is Child
# expect stdout-any-order: counter in the parent: 2
# expect stdout-any-order: counter in the child: 4
# expect stdout: Child Complete
# expect report faults.cow_copied: 1
# expect report faults.cow_reused: 1
#
# Idea: one process calls fork, two return from it. Memory is copied, but only when somebody
# writes: the page with the counter is shared until then.
# Why these counts: after fork, only one page is written, the one of .data (system calls use the
# kernel's stack, no instruction here uses the user's). Both processes write it. Whoever is first
# finds two users and gets a copy; whoever is second is the only user left, and just gets the
# write bit back. So one copy and one reuse, whatever the order of the two.
# While stepping: break on child and parent; `break cow` stops at each of the two faults.

.include "linux.inc"

.text
.globl _start
_start:
    movl $1, counter            # the page is present, and ours, before the fork
    sys_fork
    testl %eax, %eax
    js failed
    jz child

parent:
    movl %eax, %esi             # the child's pid
    say "This is Parent"
    incl counter                # 2, in the parent's memory
    movb counter, %al
    addb $'0', %al
    movb %al, parent_digit
    sys_write $STDOUT_FILENO, $parent_line, $PARENT_LINE_LENGTH
    sys_waitpid %esi, $0, $0    # no status wanted: the kernel writes nothing to our memory
    say "Child Complete"
    sys_exit $0

child:
    say "This is Child"
    movl $3, %edi
work:
    incl counter                # the first time faults; from then on the page is the child's own
    decl %edi
    jnz work
    movb counter, %al
    addb $'0', %al
    movb %al, child_digit
    sys_write $STDOUT_FILENO, $child_line, $CHILD_LINE_LENGTH
    sys_exit $0

failed:
    sys_write $STDERR_FILENO, $failure, $FAILURE_LENGTH
    sys_exit $1

.section .rodata
failure:
    .ascii "Fork Failed\n"
.equ FAILURE_LENGTH, . - failure

.data
.balign PAGE_SIZE               # counter and lines in one page: one fault for each writer
counter:
    .long 0
parent_line:
    .ascii "counter in the parent: "
parent_digit:
    .ascii "?\n"
.equ PARENT_LINE_LENGTH, . - parent_line
child_line:
    .ascii "counter in the child: "
child_digit:
    .ascii "?\n"
.equ CHILD_LINE_LENGTH, . - child_line
