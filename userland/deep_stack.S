# title: The stack grows when it is used
# expect stdout: ok: every frame kept its value
# expect stdout: ok: the stack pointer came back
# expect stdout: bytes of stack used: 1048576
#
# Idea: only the top page of the stack exists at the start. Each push below it faults, and the
# kernel extends the stack's area down to the fault and maps a page.
# While stepping: `break trap 14`; info vma shows the stack area grow from fault to fault.

.include "linux.inc"

.equ LEVELS, 256
.equ FRAME,  PAGE_SIZE          # bytes for each level: return address, depth, and room

.text
.globl _start
_start:
    movl %esp, %ebp
    movl %esp, %edi             # lowest stack pointer seen
    xorl %eax, %eax             # depth
    xorl %edx, %edx             # frames found changed on the way back
    call deeper
    check_equal "every frame kept its value", $0, %edx
    check_equal "the stack pointer came back", %esp, %ebp
    subl %edi, %ebp
    say_decimal "bytes of stack used: ", %ebp
    sys_exit $0

deeper:
    subl $(FRAME - 4), %esp     # with the return address: one page
    movl %eax, (%esp)
    cmpl %edi, %esp
    jae 1f
    movl %esp, %edi
1:  incl %eax
    cmpl $LEVELS, %eax
    je back
    call deeper
back:
    decl %eax
    cmpl (%esp), %eax
    je 2f
    incl %edx
2:  addl $(FRAME - 4), %esp
    ret

.include "print.inc"
