# A loop with a counter, and a child that goes through it, too.
        .globl _start
_start: movl $2, %eax
        int $0x80
        movl $100, %ecx
again:  incl value
        decl %ecx
        jnz again
done:   movl $1, %eax
        xorl %ebx, %ebx
        int $0x80
        .data
value:  .long 0
