# title: A child asks for its parent twice: the parent, or init once the parent has ended
# expect outputs: 3
# expect output-impossible: ip
.include "linux.inc"
.include "put.inc"
.globl _start
_start:
    sys_fork
    testl %eax, %eax
    jz child
    sys_exit $0
child:
    movl $2, %edi
1:  sys_getppid
    cmpl $1, %eax
    je 2f
    put "p"
    jmp 3f
2:  put "i"
3:  decl %edi
    jnz 1b
    sys_exit $0
