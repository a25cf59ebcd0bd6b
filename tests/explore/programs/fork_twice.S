# title: Two forks make four processes, and each writes its letter: 24 outputs
# expect outputs: 24
.include "linux.inc"
.globl _start
_start:
    xorl %edi, %edi             # bit 0: child of the first fork, bit 1: of the second
    sys_fork
    testl %eax, %eax
    jnz 1f
    orl $1, %edi
1:  sys_fork
    testl %eax, %eax
    jnz 2f
    orl $2, %edi
2:  leal letters(%edi), %esi
    sys_write $STDOUT_FILENO, %esi, $1
3:  sys_waitpid $ANY_CHILD, $0, $0
    testl %eax, %eax
    jns 3b
    sys_exit $0
.data
letters: .ascii "abcd"
