# Three processes, each of which writes its letter twice: 90 outputs, some thousand states.
.include "linux.inc"
.globl _start
_start:
    movl $3, %edi
1:  sys_fork
    testl %eax, %eax
    jz child
    decl %edi
    jnz 1b
2:  sys_waitpid $ANY_CHILD, $0, $0
    testl %eax, %eax
    jns 2b
    sys_exit $0
child:
    movl $2, %ebp
3:  leal letters-1(%edi), %esi
    sys_write $STDOUT_FILENO, %esi, $1
    decl %ebp
    jnz 3b
    sys_exit $0
.data
letters: .ascii "abc"
