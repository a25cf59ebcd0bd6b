# Calls within calls, by line: what reverse-step, reverse-next and reverse-finish go back over.
        .globl _start
_start: call main
        movl $1, %eax
        xorl %ebx, %ebx
        int $0x80
        .type main, @function
main:   .cfi_startproc
        movl $1, %eax
        call outer
        movl %eax, value
        movl $20, %eax              # getpid
        int $0x80
        incl value
done:   ret
        .cfi_endproc
        .size main, . - main
        .type outer, @function
outer:  .cfi_startproc
        incl %eax
        call inner
        incl %eax
        ret
        .cfi_endproc
        .size outer, . - outer
        .type inner, @function
inner:  .cfi_startproc
        addl $10, %eax
        ret
        .cfi_endproc
        .size inner, . - inner
        .data
value:  .long 0
