# title: A tree of processes
# expect stdout: processes in the tree: 15
#
# Idea: each process forks two children and waits for both, three levels down. Every exit status
# is the size of the tree below, so the root learns 1 + 2 + 4 + 8 without any shared memory.
# While stepping: break on node; info tasks shows the tree grow and shrink. %ebp is the depth,
# each process has its own.

.include "linux.inc"

.equ DEPTH, 3

.text
.globl _start
_start:
    xorl %ebp, %ebp             # depth of this process
node:
    movl $1, %edi               # tree size: this process
    cmpl $DEPTH, %ebp
    je done
    movl $2, %esi               # children still to make
next:
    sys_fork
    testl %eax, %eax
    js fork_failed
    jnz wait_for_it
    incl %ebp                   # the child is one deeper, and starts again
    jmp node
wait_for_it:
    pushl $0
    sys_waitpid %eax, %esp, $0
    popl %eax
    movzbl %ah, %eax            # exit status
    addl %eax, %edi
    decl %esi
    jnz next
done:
    testl %ebp, %ebp
    jz root
    sys_exit %edi
root:
    say_decimal "processes in the tree: ", %edi
    sys_exit $0

.include "print.inc"
