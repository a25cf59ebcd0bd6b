"""Sources that exercise the front end itself; each must give the bytes of GNU as and ld."""

from __future__ import annotations

FEATURES: dict[str, str] = {
    "comments": """
        # a comment
        / a comment on i386
        _start: nop; nop ; nop # trailing ; not a statement
        movb $'#, %al; movb $';', %bl
        movb $'", %al
        /* a block
           over lines */ nop /* inside */ ; hlt
        .ascii "# not // a /* comment */; \\"here\\" \\\\"
    """,
    "numbers": """
        _start: movl $0x10, %eax
        movl $0b101, %eax
        movl $017, %eax
        movl $'A, %eax
        movl $'\\n, %eax
        movb $'\\\\, %al
        movl $-1, %eax
        addl $0xffffffff, %eax
        addl $-0x80, %ecx
        addw $0xff80, %cx
        .byte -1, 255, 'a', ' ', 0x7f
        .quad 0x1122334455667788, -2
    """,
    "operators": """
        .data
        .long 1+2*3, (1+2)*3, 7/2, -7/2, 7%3, -7%3, 1<<4, 256>>3, 6&3|8, 5^1, ~0, !0, !5, -(-3)
        .long 1+1|1, 2*3&1, 4-2+1, 1==1, 1==2, 1!=2, 1<>2, 2<1, 1<2+5, 2>=2, 1&&2, 0||0, 1||0&&0
        .long 6!3, 1<<2+1, 10-2-3, 100/5/2, 3 - -3
        .text
        _start: nop
    """,
    "local labels": """
        _start: jmp 1f
        1: nop
        jmp 1b
        jmp 1f
        2: jmp 2b
        1: jnz 2b
        jmp 10f
        10: movl $1b, %eax
        movl $10f - 1b, %ecx
        10: .long 10b, 1b - 2b
    """,
    "location counter": """
        .text
        _start: jmp .
        jmp . + 2
        movl $., %eax
        movl $. - _start, %ecx
        .rodata_label: .long ., ., . - _start
        .data
        msg: .ascii "hello\\n"
        .equ len, . - msg
        .long len
        .set here, .
        .long here
        .text
        movl $len, %edx
        pushl $len
        addl $len, %esp
        cmpl $(after - _start), %eax
        after: nop
    """,
    "sizes known early or late": """
        _start: addl $forward, %eax
        addl $later, %eax
        pushl $later
        movb $later, %al
        movl later(%ebp), %eax
        movl %eax, late_address
        .equ later, 4
        addl $later, %eax
        pushl $later
        movl later(%ebp), %eax
        jmp 1f
        1: pushl $(1b - _start)
        2: nop
        3: pushl $(3b - 2b)
        .equ forward, 3
        .data
        late_address: .long 0
    """,
    "alias": """
        .globl target
        _start: jmp alias
        jmp target
        jmp early
        target: nop
        .set alias, target
        .equ early, _start
        jmp early
        movl $alias + 4, %eax
        plus = target + 1
        jmp plus
        call plus
        .weird = 5
        movl $.weird, %eax
        .weird = 6
        movl $.weird, %eax
    """,
    "addresses": """
        _start: movl table, %eax
        movl table+4, %ebx
        movl table+4(,%eax,4), %ecx
        movl table-4(%ebx,%eax,8), %ecx
        movl $table+8, %esi
        movb table, %al
        movw %ax, table
        call *table(,%eax,4)
        jmp *table
        jmp *(%eax)
        call *%edx
        movl $5, table
        movl $table, table+4
        cmpl $table, 4(%esp)
        movl %gs:0, %eax
        movl %gs:table, %ebx
        movw %ax, %fs:(%ecx)
        addl $1, %es:table(%ebx)
        imull $table, %eax, %ecx
        pushl table
        pushl $table
        incl table
        lgdt table
        lidt table+6
        ljmp $8, $_start
        lcall $0x33, $table
        ljmp *table
        movw $(end - table), %cx
        movb $(end - table), %cl
        .data
        table: .long _start, table, end - table, end
        .short end - table
        .byte end - table
        end:
    """,
    "symbols of other sections": """
        _start: jmp far_away
        jne far_away
        call far_away
        jmp _start
        .section .text.more, "ax", @progbits
        far_away: jmp _start
        nop
        jmp far_away
        .section .rodata
        .long far_away - .
        .long far_away, _start
        .section .data.extra,"aw"
        .long 1
        .previous
        .long 2
        .pushsection .data
        .long 3
        .popsection
        .long 4
    """,
    "relaxation": "_start: jmp far\nje far\n.rept 60\naddl $1, %eax\n.endr\nback: jmp _start\n"
    "jmp near\n.fill 126, 1, 0x90\nnear: jne near\nloop near\njecxz near\nfar: jmp back\n"
    "jmp edge\n.fill 127, 1, 0x90\nedge: jmp edge2\n.fill 128, 1, 0x90\nedge2: nop\n"
    "jb cascade\njmp cascade\n.fill 122,1,0x90\njmp edge3\n cascade: .fill 125,1,0x90\nedge3: nop\n",
    "alignment": "_start: nop\n"
    + "".join(f".balign 64\n.fill {n}, 1, 0x55\n" for n in range(1, 64))
    + ".p2align 4\nnop\n.p2align 4,,3\nnop\n.align 8\n.balign 16, 0xcc\nnop\n.balign 256\nnop\n"
    ".balign 1024\nnop\n.data\n.byte 1\n.align 4\n.byte 2\n.balign 8, 0xff\n.byte 3\n.p2align 3\n",
    "alignment and jumps": """
        _start: jmp 1f
        .balign 16
        1: jne 2f
        .balign 128
        2: jmp 1b
        .fill 100, 1, 0x90
        .balign 32
        jmp 2b
        jmp 3f
        .balign 4
        .long 3f - 2b
        3: nop
    """,
    "data": """
        .data
        .byte 1, 2, 3
        .word 0x1234
        .short 5, -5
        .hword 6
        .long 1, 2
        .int 7
        .quad 8
        .ascii "ab", "cd"
        .asciz "ef"
        .string "gh", "i\\tj\\0\\101\\x41"
        .zero 3
        .skip 2
        .skip 2, 7
        .space 4
        .fill 3, 2, 0x1234
        .fill 2, 8, 0x1122334455
        .fill 2
        .org 0x80, 0xee
        .byte 9
        .org . + 4
        . = . + 3
        .byte 10
        .ascii "caf\u00e9"
        .text
        _start: nop
    """,
    "bss": """
        .bss
        a: .space 5
        .balign 4
        b: .long 0
        .lcomm c, 3
        .lcomm d, 16
        .skip last - first
        e: .zero 0x100000
        .text
        .comm common, 40, 16
        .data
        first: .byte 1
        .balign 4
        last: .byte 2
        .text
        _start: movl $c, %eax
        movl $d, %eax
        movl $b, %eax
        movl e, %eax
        movl $common, %eax
    """,
    "conditionals": """
        .equ A, 1
        .if A
        _start: movl $1, %eax
        .else
        bad
        .endif
        .if A == 2
        bad
        .elseif A == 1
        nop
        .else
        bad
        .endif
        .ifdef A
        hlt
        .endif
        .ifndef B
        cli
        .ifdef B
        bad
        .else
        sti
        .endif
        .endif
        .ifeq A - 1
        clc
        .endif
        .ifgt A
        stc
        .endif
    """,
    "macros": """
        .macro Store value, to=%eax
        movl $\\value, \\to
        .endm
        .macro twice what:req, rest:vararg
        \\what
        \\what
        .byte \\rest
        .endm
        .macro loop_down count
        movl $\\count, %ecx
        loop\\@: loop loop\\@
        .endm
        .macro text string
        .ascii "\\string"
        .endm
        .macro sum from, to
        .long \\from
        .if \\to - \\from
        sum "(\\from+1)", \\to
        .endif
        .endm
        .macro suffix n
        label\\n\\()_x: .byte \\n
        .endm
        _start: STORE 5
        MOVL $1, %EAX
        store 6, %ebx
        store to=%ecx, value=7
        store 1 + 2
        twice nop, 1, 2, 3
        here: loop_down 3
        loop_down 4
        text "hello, there"
        sum 0, 5
        suffix 7
        .long label7_x
        .macro early x
        .byte 1
        .if \\x
        .exitm
        .endif
        .byte 2
        .endm
        early 0
        early 1
        .purgem early
    """,
    "repetition": """
        _start:
        .rept 3
        1: jmp 1b
        .endr
        .irp reg, %eax, %ebx, %ecx
        pushl \\reg
        .endr
        .irpc digit, 123
        .byte \\digit
        .endr
        .rept 2
        .irp v, 1, 2
        .byte \\v
        .endr
        .endr
        .rept 0
        bad
        .endr
    """,
    "prefixes": """
        _start: rep movsl
        rep; movsb
        lock; incl (%eax)
        lock xaddl %eax, (%ebx)
        repne scasb
        rep stosl
        lock addw $1, %gs:(%eax)
        lock cmpxchg8b (%esi)
        rep movsw
    """,
    "intel": """
        .intel_syntax noprefix
        .equ SIX, 6
        _start: mov eax, SIX
        mov eax, message
        mov eax, offset message
        mov eax, dword ptr message[ebx]
        mov eax, [message + ebx*4 + 4]
        mov ebx, [message]
        lea ecx, message
        lea ecx, [message]
        mov edx, length
        add esp, length
        mov byte ptr message, 'x'
        jmp short_target
        call [table]
        jmp dword ptr table[eax*4]
        short_target: jne _start
        push offset message
        push message
        mov eax, fs:0
        cmp dword ptr [ebp-8], SIX + 2
        int 0x80
        .att_syntax prefix
        movl $1, %eax
        .intel_syntax noprefix
        rep movsd
        fsub st(1), st
        .data
        message: .ascii "hi"
        length = . - message
        table: .long _start
    """,
    "ignored": """
        .file "x.c"
        .ident "someone"
        .code32
        .globl _start, other
        .type _start, @function
        _start: nop
        other: ret
        .size _start, . - _start
        .local quiet
        quiet: nop
        .section .note.GNU-stack,"",@progbits
    """,
    "absolute targets": "_start: jmp 0x8049000\nje 0x8049010\ncall 0xc0100000\nnop\n",
    "end": "_start: nop\n.end\nthis is not assembled\n",
    "vararg as written": """
        .macro m a, rest:vararg
        .ascii "<\\rest>"
        .endm
        m x, 1,  2 ,3   ,4
        m x y
        m x, 1 2   3
        m x,1 + 2
        m x ,  a b
        m x
        m x,(1, 2) , 3
        .macro n rest:vararg
        .ascii "<\\rest>"
        .endm
        n 1,  2 ,3
        n a b , c
        n
    """,
    "displacements": """
        {disp8} movl 4(%eax), %ebx
        {disp8} movl (%eax), %ebx
        {disp8} movl 400(%eax), %ebx
        {disp8} movl 1f, %ebx
        {disp8} movl 1f(%eax), %ebx
        {disp8} movl 4(,%eax,2), %ebx
        {disp8} movl 4, %ebx
        {disp8} movl %eax,%ebx
        {disp8} call 1f
        {disp8} jmp 1f
        {disp8} nop
        {disp8} movl (,%eax,2), %ebx
        1:{disp8} movl (%eax,%ebx),%eax
        {disp8} jmp *(%eax)
        {disp8} pushl (%esp)
        {disp32} nop
        {disp32} movl %eax,%ebx
        {disp8} movl %eax, 0x100
    """,
    "shifts by %cl": """
        shrdl %edi, %esi
        shld %ax, (%ebx)
        shrdw %ax, %bx
        .intel_syntax noprefix
        shrd esi, edi
        shld dword ptr [ebx], eax
    """,
}
