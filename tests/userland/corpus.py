"""Instruction forms by the thousand: every mnemonic with each kind of operand it takes, some
that no assembler should take, and Intel-syntax lines."""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

from collections.abc import Iterator

from userland.assembler.mnemonics import CONDITIONS

REGISTERS = {
    "b": ["%al", "%ch", "%dl"],
    "w": ["%ax", "%dx", "%si"],
    "l": ["%eax", "%ecx", "%ebp", "%edi"],
}
MEMORY = [
    "(%eax)", "8(%ebp)", "(%esp)", "0x1234", "4660", "-4(%ebx,%esi,4)", "0x12345678(,%ecx,8)",
    "%gs:0", "%fs:4(%eax)", "(%ebp,%eax)", "%ds:(%ebp)", "%ss:(%ebp)", "%ds:(%eax)", "128(%eax)",
    "(,%eax,1)", "0(%eax)", "%es:16(%edi,%ebp,2)", "-129(%ecx)", "(%eax,%esp)", "0xfffffff0(%ebx)",
]  # fmt: skip
SOME = MEMORY[:6]
IMMEDIATES = {
    "b": ["$1", "$-1", "$127", "$-128", "$255"],
    "w": ["$1", "$-1", "$127", "$128", "$-129", "$0x1234", "$-32768", "$0xffff", "$0xff80"],
    "l": ["$1", "$-1", "$127", "$128", "$-128", "$-129", "$0x12345678", "$0x80000000", "$0xffffffff"],
}  # fmt: skip


def _integer() -> Iterator[str]:
    for name in "add or adc sbb and sub xor cmp mov test xchg xadd cmpxchg".split():
        for size in "bwl":
            for one in REGISTERS[size]:
                yield from (f"{name}{size} {one}, {other}" for other in REGISTERS[size][:2])
                yield f"{name} {one}, {REGISTERS[size][1]}"
                for place in MEMORY:
                    yield f"{name}{size} {one}, {place}"
                    yield f"{name}{size} {place}, {one}"
                yield from (f"{name}{size} {value}, {one}" for value in IMMEDIATES[size])
            for value in IMMEDIATES[size]:
                yield from (f"{name}{size} {value}, {place}" for place in SOME)
    for name in "inc dec neg not mul imul div idiv push pop".split():
        for size in "bwl":
            yield from (f"{name}{size} {one}" for one in REGISTERS[size] + MEMORY)
    for size in "wl":
        a, b = REGISTERS[size][:2]
        for value in IMMEDIATES[size]:
            yield f"push{size} {value}"
            yield f"imul{size} {value}, {a}, {b}"
            yield f"imul{size} {value}, (%ebx), {b}"
            yield f"imul{size} {value}, {b}"
        yield f"imul{size} {a}, {b}"
        for place in MEMORY:
            yield f"lea{size} {place}, {b}"
            yield f"imul{size} {place}, {b}"
    for name in "shl sal shr sar rol ror rcl rcr".split():
        for size in "bwl":
            for one in REGISTERS[size] + SOME:
                yield f"{name}{size} {one}"
                yield from (f"{name}{size} {count}, {one}" for count in ("$1", "$5", "$0", "%cl"))
    for name in "bt bts btr btc".split():
        for size in "wl":
            for one in REGISTERS[size] + SOME:
                yield f"{name}{size} $5, {one}"
                yield f"{name}{size} {REGISTERS[size][0]}, {one}"
    for name in "shld shrd".split():
        for size in "wl":
            for one in REGISTERS[size] + SOME:
                yield f"{name}{size} $5, {REGISTERS[size][1]}, {one}"
                yield f"{name}{size} %cl, {REGISTERS[size][1]}, {one}"
    for name in "bsf bsr lar lsl popcnt".split():
        for size in "wl":
            yield from (
                f"{name}{size} {one}, {REGISTERS[size][1]}" for one in REGISTERS[size] + SOME
            )
    for name, source, target in (
        ("movzb", "b", "w"), ("movzb", "b", "l"), ("movsb", "b", "w"), ("movsb", "b", "l"),
        ("movzw", "w", "l"), ("movsw", "w", "l"),
    ):  # fmt: skip
        for one in REGISTERS[source] + SOME:
            yield f"{name}{target} {one}, {REGISTERS[target][1]}"
        yield f"{name[:4]}x {REGISTERS[source][0]}, {REGISTERS[target][1]}"
        yield f"{name} {REGISTERS[source][0]}, {REGISTERS[target][1]}"
        yield f"{name}{target} {REGISTERS['l'][0]}, {REGISTERS[target][1]}"
    for name in CONDITIONS:
        yield f"set{name} %al"
        yield f"set{name} (%ebx)"
        for size in "wl":
            yield f"cmov{name}{size} {REGISTERS[size][0]}, {REGISTERS[size][1]}"
            yield f"cmov{name}{size} (%ebx), {REGISTERS[size][1]}"


def _system() -> Iterator[str]:
    yield from """
        cbtw cwtl cwtd cltd cbw cwde cwd cdq pusha popa pushal popal pushaw popaw pushf popf pushfl
        popfl pushfw popfw leave leavel ret retl lret lretl iret iretl iretw int3 into nop hlt cli
        sti cld std clc stc cmc clts lahf sahf xlat xlatb aaa aas daa das aad aam invd wbinvd cpuid
        rdtsc rdmsr wrmsr rdpmc sysenter sysexit ud2 ud2a pause lfence mfence sfence emms fwait wait
        rsm syscall sysret rdtscp xgetbv movsb movsw movsl cmpsb cmpsw cmpsl stosb stosw stosl lodsb
        lodsw lodsl scasb scasw scasl insb insw insl outsb outsw outsl movsd cmpsd
    """.split()
    for prefix in "rep repe repz repne repnz".split():
        for (
            name
        ) in "movsb movsw movsl stosb stosl lodsb cmpsb cmpsl scasb scasl insb outsl".split():
            yield f"{prefix} {name}"
    yield from (
        f"lock {line}"
        for line in (
            "xaddl %eax, (%ebx)", "incl (%eax)", "cmpxchgl %ecx, (%edx)", "cmpxchg8b (%esi)",
            "addl $1, (%eax)", "decb 4(%eax)", "orl $0, (%esp)", "btsl $1, (%eax)", "notl (%eax)",
            "xchgl %eax, (%ebx)", "addw $1, %gs:(%eax)", "negb table", "addl %eax, %ebx", "movl %eax, (%ebx)",
        )
    )  # fmt: skip
    for name in (
        "lgdt sgdt lidt sidt lgdtl lidtl invlpg fxsave fxrstor ldmxcsr stmxcsr clflush prefetcht0 "
        "prefetcht1 prefetcht2 prefetchnta cmpxchg8b fldenv fnstenv fstenv fnsave fsave frstor fbld "
        "fbstp fldcw fnstcw fstcw fnstsw fstsw"
    ).split():
        yield from (f"{name} {place}" for place in [*SOME, "%gs:0", "%fs:8(%ebx)"])
    for name in "lldt ltr verr verw lmsw sldt str smsw".split():
        yield from (f"{name} {one}" for one in ["%ax", "%bx", *SOME])
    for name in "sldt str smsw".split():
        yield from (f"{name}{form}" for form in (" %eax", " %ecx", "l %eax", "w %ax"))
    yield from ("arpl %ax, %bx", "arpl %ax, (%ebx)", "lldtw (%eax)", "ltrw %ax", "lmsww %ax")
    for name in "lds les lfs lgs lss".split():
        for place in SOME:
            yield f"{name}l {place}, %ecx"
            yield f"{name} {place}, %ecx"
            yield f"{name}w {place}, %cx"
    for place in SOME:
        yield from (f"boundl %ecx, {place}", f"bound %ecx, {place}", f"boundw %cx, {place}")
        yield from (f"nopl {place}", f"nopw {place}")
    for segment in "es cs ss ds fs gs".split():
        yield from (f"{name} %{segment}" for name in "push pop pushl popl pushw popw".split())
        for other in ("%ax", "%eax", "%bx", "%ebx", "(%eax)", "0x1234", "8(%ebp)"):
            for name in ("mov", "movw", "movl"):
                yield f"{name} {other}, %{segment}"
                yield f"{name} %{segment}, {other}"
    for control in ("cr0", "cr2", "cr3", "cr4", "dr0", "dr6", "dr7", "db7"):
        yield from (f"mov %{control}, %eax", f"movl %ebx, %{control}")
    for size, register in (("b", "%al"), ("w", "%ax"), ("l", "%eax")):
        for suffix in ("", size):
            for port in ("$5", "$200", "%dx", "(%dx)"):
                yield f"in{suffix} {port}, {register}"
                yield f"out{suffix} {register}, {port}"
    yield from (
        "inb %dx", "outb %dx", "inb $5", "outl (%dx)", "int $128", "int $3", "int $1", "ret $8",
        "lret $8", "retl $8", "lretl $0x1234", "enter $16, $0", "enter $0x1234, $3", "aad $10",
        "aam $16", "bswap %eax", "bswapl %ecx", "xchgl %eax, %eax", "xchgw %ax, %ax",
        "xchgb %al, %al", "movntil %eax, (%ebx)", "movnti %eax, (%ebx)", "push (%eax)", "push $5",
        "ljmp $8, $0x12345678", "lcall $8, $0x12345678", "ljmp *(%eax)", "lcall *0x1234",
        "ljmpl *(%eax)", "lcalll *(%ebx)", "ljmp *%eax", "pop (%eax)",
    )  # fmt: skip
    for target in ("*%eax", "*(%eax)", "*0x1234(,%eax,4)", "*0x1234", "*%gs:0", "*8(%esp)"):
        yield from (f"{name} {target}" for name in ("jmp", "call", "jmpl", "calll"))


def _floating() -> Iterator[str]:
    yield from """
        fld1 fldz fldpi fldl2e fldl2t fldlg2 fldln2 fchs fabs ftst fxam f2xm1 fyl2x fptan fpatan
        fxtract fprem1 fdecstp fincstp fprem fyl2xp1 fsqrt fsincos frndint fscale fsin fcos fnop
        fcompp fucompp fninit fnclex finit fclex fxch fucom fucomp fcom fcomp faddp fmulp fsubp
        fsubrp fdivp fdivrp fnstsw fstsw fcomi fcomip fucomi fucomip fadd fmul fsub fdiv
    """.split()
    for name in "fld fst fstp".split():
        for size in "slt":
            yield from (f"{name}{size} {place}" for place in SOME)
        yield from (f"{name} %st({number})" for number in range(3))
        yield f"{name} %st"
    for name in "fild fist fistp fisttp".split():
        for size in ("s", "l", "ll", "q"):
            yield from (f"{name}{size} {place}" for place in SOME)
    for name in "add mul sub subr div divr com comp".split():
        for size in "sl":
            for place in SOME:
                yield f"f{name}{size} {place}"
                yield f"fi{name}{size} {place}"
    for name in "fadd fmul fsub fsubr fdiv fdivr".split():
        for number in (0, 1, 7):
            yield f"{name} %st({number}), %st"
            yield f"{name} %st, %st({number})"
            yield f"{name}p %st, %st({number})"
            yield f"{name} %st({number})"
            yield f"{name}p %st({number})"
    for name in "fcom fcomp fucom fucomp fcomi fcomip fucomi fucomip fxch".split():
        for number in (0, 1, 7):
            yield f"{name} %st({number})"
            yield f"{name} %st({number}), %st"
    yield from ("fnstsw %ax", "fstsw %ax", "ffree %st(2)", "fcmovb %st(1), %st")
    yield from ("fcmovne %st(2), %st(0)", "fcmovnu %st(7), %st")


def _vector() -> Iterator[str]:
    names = [
        stem + kind
        for stem in "add sub mul div sqrt min max".split()
        for kind in ("ps", "ss", "pd", "sd")
    ]
    names += """
        movaps movups movapd movupd andps andpd andnps orps orpd xorps xorpd ucomiss ucomisd comiss
        comisd movss movsd unpcklps unpckhps cvtps2pd cvtpd2ps cvtss2sd cvtsd2ss cvtdq2ps cvtps2dq
        cvttps2dq cvtdq2pd cvtpd2dq cvttpd2dq rcpps rsqrtss movdqa movdqu paddb paddw paddd paddq
        psubb psubd pand pandn por pxor pcmpeqb pcmpeqd pcmpgtw pmullw pmuludq punpcklbw punpckhqdq
        packssdw packuswb pminub pmaxsw pavgb psadbw movhlps movlhps movq
    """.split()
    for name in names:
        yield f"{name} %xmm1, %xmm2"
        yield f"{name} %xmm7, %xmm0"
        yield from (f"{name} {place}, %xmm3" for place in SOME)
    for name in (
        "movaps movups movapd movupd movss movsd movdqa movdqu movlps movhps movlpd movhpd movntps "
        "movntdq movq"
    ).split():
        yield from (f"{name} %xmm3, {place}" for place in SOME)
    for name in "shufps shufpd cmpps cmpss cmppd cmpsd pshufd pshufhw pshuflw".split():
        yield from (f"{name} $2, {one}, %xmm3" for one in ["%xmm1", *SOME])
    for name in "psllw pslld psllq psrlw psrld psrlq psraw psrad".split():
        yield from (f"{name} {one}, %xmm1" for one in ("$3", "%xmm2", "(%eax)"))
        yield f"{name} $3, %mm1"
    for name in "cvtsi2ss cvtsi2sd cvtsi2ssl cvtsi2sdl".split():
        yield from (f"{name} {one}, %xmm1" for one in ["%eax", *SOME])
    for name in "cvtss2si cvtsd2si cvttss2si cvttsd2si".split():
        yield from (f"{name} {one}, %ecx" for one in ["%xmm1", *SOME])
    yield from (
        "movd %eax, %xmm1", "movd %xmm1, %eax", "movd (%eax), %xmm1", "movd %xmm1, (%eax)",
        "movmskps %xmm1, %eax", "pmovmskb %xmm1, %eax", "movd %eax, %mm1", "movd %mm1, %eax",
        "movq (%eax), %mm1", "movq %mm1, (%eax)", "movq %mm1, %mm2", "paddd %mm1, %mm2",
        "pxor %mm1, %mm1", "pinsrw $1, %eax, %xmm1", "pextrw $1, %xmm1, %eax",
        "pslldq $3, %xmm1", "psrldq $3, %xmm1",
    )  # fmt: skip


def _wrong() -> Iterator[str]:
    """What GNU as refuses: the front end must not accept more."""
    yield from (
        """
        movl %al, %eax|movb %eax, %al|movl %eax, $5|movl (%eax), (%ebx)|addl $1, $2|push %al
        incl $5|jmp %eax|call %eax|jne *%eax|movl %rax, %eax|movq %eax, %ebx|movl $1, %cs
        leal %eax, %ebx|xchgl $1, %eax|int %eax|int 0x80|int $256|shll %eax, %ebx|shll %dl, %ebx
        movl 4(%eax,%esp,2), %ebx|movl (%eax,%ebx,3), %ecx|movl (%ax), %ebx|movl %eax|movl
        nop nop|cli %eax|lock movl %eax, %ebx|rep addl %eax, %ebx|movb $256, %al|movw $65536, %ax
        bswap %al|setb %eax|movzbl %eax, %ebx|movzwl %al, %eax|cmovel $1, %eax|imull $1, (%eax)
        inl %cx, %eax|outb %bl, %dx|ret %eax|enter $1|popl $1|popw %cs|mov %ds, %es|mov %cr0, %cr3
        mov %cr0, %ax|testl %eax|notl|fadds %eax|fld %eax|fxch %st(1), %st(2)|movaps %eax, %xmm1
        addss $1, %xmm0|lgdt %eax|invlpg %eax|ltr $8|boundl (%eax), %ecx|ljmp %eax|lcall $8
        xaddl (%eax), %ebx|cmpxchgl $1, %eax|arpl %eax, %ebx|btl $256, %eax|shll $256, %eax
        movl %eax, %st|pushl %st|leal 5, 6|movsbl %ax, %eax|cmpxchg8b %eax|sete $1|bsfl $1, %eax
        fcom %st(1), %st|foo %eax|movl %eax, %ebx, %ecx|jmp *|call *$5|addl %eax, $foo
        movl %st(8), %eax|mov %eax, %al|lar %al, %eax|sldt %al|str $1
        psllw %eax, %xmm1|movd %xmm1, %al|in $256, %al
    """.strip()
        .replace("\n", "|")
        .split("|")
    )


def att_lines() -> list[str]:
    """Every AT&T line, without repeats."""
    lines = [*_integer(), *_system(), *_floating(), *_vector(), *_wrong()]
    return list(dict.fromkeys(line.strip() for line in lines))


INTEL_LINES = """
mov eax, 1
mov eax, [ebx]
mov dword ptr [ebx], 5
mov eax, [ebx+esi]
mov eax, [esi*4+ebx+8]
mov eax, [esi*2]
mov eax, [esi*1+ebx]
mov eax, [esp+eax]
mov eax, [eax+esp]
mov eax, 12[ebx]
mov eax, [ebx][ecx*4]
mov eax, ds:0x1234
mov eax, fs:[0]
mov gs:[eax+4], cx
mov ax, ds
mov ds, ax
mov cr3, eax
mov eax, cr0
movzx eax, byte ptr [ebx]
movzx eax, word ptr [ebx]
movsx eax, cl
movzx ax, cl
push 5
push 500
push dword ptr [eax]
push word ptr [eax]
push eax
push ds
pop dword ptr 8[ebp]
pushfd
popfd
pushad
popad
iretd
iret
ret
ret 8
retf
int 0x80
int 3
in al, dx
in eax, 5
out dx, al
out 0x80, eax
rep movsb
rep movsd
rep stosd
repne scasb
lodsd
cmpsd
lock xadd [ebx], eax
lock inc dword ptr [eax]
xchg eax, [ebx]
xchg [ebx], eax
test [ebx], eax
test eax, [ebx]
test byte ptr [eax], 1
shl eax, 1
shl eax, 5
shl dword ptr [eax], cl
sar byte ptr [eax], 1
shld eax, ebx, cl
imul eax, ebx, 5
imul eax, [ebx], 1000
imul eax, 5
imul eax, ebx
lea eax, [ebx+ecx*8+16]
jmp eax
jmp [eax]
jmp dword ptr [eax*4+0x1000]
call eax
call dword ptr [ebx]
call fword ptr [ebx]
jmp fword ptr [ebx]
lgdt [eax]
lidt [eax+6]
ltr ax
lldt word ptr [eax]
bound eax, [ebx]
into
enter 16, 0
leave
cdq
cwde
cbw
fld dword ptr [eax]
fld qword ptr [eax]
fld tbyte ptr [eax]
fild word ptr [eax]
fild dword ptr [eax]
fild qword ptr [eax]
fistp dword ptr [eax]
fstp qword ptr [eax]
fadd st, st(1)
fadd st(1), st
faddp st(1), st
fsub st(1), st
fsub st, st(1)
fsubr st(1), st
fsubp st(1), st
fsubrp st(1), st
fdiv st(2), st
fdivp st(2), st
fdivrp st(2), st
fsub dword ptr [eax]
fsub qword ptr [eax]
fidiv word ptr [eax]
fidiv dword ptr [eax]
fnstcw word ptr [eax]
fldcw [eax]
fnstsw ax
fxch st(1)
movss xmm0, dword ptr [eax]
movsd xmm0, qword ptr [eax]
movsd qword ptr [eax], xmm1
addps xmm1, xmm2
cvtsi2sd xmm0, dword ptr [eax]
cvtsi2sd xmm0, eax
cvttsd2si eax, xmm1
shufps xmm1, xmm2, 3
movd xmm1, eax
movq xmm1, qword ptr [eax]
bt eax, 5
bts dword ptr [eax], 5
bt [eax], ecx
sete al
setne byte ptr [eax]
cmove eax, [ebx]
cmpxchg [ebx], ecx
cmpxchg8b qword ptr [esi]
cmpxchg8b [esi]
invlpg [eax]
mov eax, 3+4*2
mov eax, 1 shl 4
mov eax, not 0
mov al, 'A'
add eax, -1
sub esp, 128
and esp, 0xfffffff0
mov [ebp-4], eax
mov word ptr [ebp-4], 3
inc byte ptr [eax]
neg dword ptr [eax]
div ecx
mul byte ptr [ecx]
not word ptr [ecx]
sldt ax
str [eax]
smsw eax
verr ax
arpl [eax], bx
xlatb
nop
pause
hlt
jmp 8:0x1234
call 8:0x1234
sgdt [eax]
lds eax, [ebx]
lss esp, [ebx]
aam
aad 10
fsub
fdivrp
fcomi st, st(1)
fucomip st, st(2)
bswap eax
cmp dword ptr [eax+ecx], 0x100
mov eax, dword ptr es:[edi]
movsd
stosb
lar eax, ebx
""".strip().splitlines()
