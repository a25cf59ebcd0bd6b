.include "linux.inc"
.include "signal.inc"
.globl _start
_start:
    movl $48, %eax      # signal(SIGUSR1, handler)
    movl $10, %ebx
    movl $handler, %ecx
    int $0x80
    movl $20, %eax
    int $0x80
    movl %eax, %ebx
    movl $37, %eax
    movl $10, %ecx
    int $0x80
after:
    nop
    movl $0, %eax
bad: movl (%eax), %ebx
    sys_exit $3
handler:
    incl count
    ret
.data
count: .long 0
