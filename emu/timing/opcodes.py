"""The i386 and i486 opcode map (Intel 80386 Programmer's Reference Manual, appendix A; i486 additions).

A line is: opcode(s), mnemonic, operands. `50+8` stands for eight opcodes, one a register. Operands:
E = ModRM r/m, G = ModRM reg, Z = register in the opcode, I = immediate, J = relative target, O = bare
offset, S = segment register, C D = control, debug register, M = memory only, a name = that register;
b w d q = 8 16 32 64 bits, v = operand size, p = far pointer, a = two of
the operand's size. `/n` lines belong to ModRM.reg = n.
"""

from __future__ import annotations

_ONE = """
26 prefix; 2E prefix; 36 prefix; 3E prefix; 64 prefix; 65 prefix; 66 prefix; 67 prefix
06 push Ss; 07 pop Ss; 0E push Ss; 16 push Ss; 17 pop Ss; 1E push Ss; 1F pop Ss
27 daa; 2F das; 37 aaa; 3F aas
40+8 inc Zv; 48+8 dec Zv; 50+8 push Zv; 58+8 pop Zv; 60 pusha; 61 popa; 62 bound Gv Ma; 63 arpl Ew Gw
68 push Iv; 69 imul Gv Ev Iv; 6A push Ib; 6B imul Gv Ev Ib
6C insb; 6D insv; 6E outsb; 6F outsv; 70+16 jcc Jb
80/0 add Eb Ib; 80/1 or Eb Ib; 80/2 adc Eb Ib; 80/3 sbb Eb Ib; 80/4 and Eb Ib; 80/5 sub Eb Ib
80/6 xor Eb Ib; 80/7 cmp Eb Ib
81/0 add Ev Iv; 81/1 or Ev Iv; 81/2 adc Ev Iv; 81/3 sbb Ev Iv; 81/4 and Ev Iv; 81/5 sub Ev Iv
81/6 xor Ev Iv; 81/7 cmp Ev Iv
82/0 add Eb Ib; 82/1 or Eb Ib; 82/2 adc Eb Ib; 82/3 sbb Eb Ib; 82/4 and Eb Ib; 82/5 sub Eb Ib
82/6 xor Eb Ib; 82/7 cmp Eb Ib
83/0 add Ev Ib; 83/1 or Ev Ib; 83/2 adc Ev Ib; 83/3 sbb Ev Ib; 83/4 and Ev Ib; 83/5 sub Ev Ib
83/6 xor Ev Ib; 83/7 cmp Ev Ib
84 test Eb Gb; 85 test Ev Gv; 86 xchg Eb Gb; 87 xchg Ev Gv
88 mov Eb Gb; 89 mov Ev Gv; 8A mov Gb Eb; 8B mov Gv Ev; 8C mov Ew Sw; 8D lea Gv Mn; 8E mov Sw Ew
8F/0 pop Ev; 90 nop; 91+7 xchg eax Zv; 98 cwde; 99 cdq; 9A callf Ap; 9B fwait
9C pushf; 9D popf; 9E sahf; 9F lahf; A0 mov al Ob; A1 mov eax Ov; A2 mov Ob al; A3 mov Ov eax
A4 movsb; A5 movsv; A6 cmpsb; A7 cmpsv; A8 test al Ib; A9 test eax Iv
AA stosb; AB stosv; AC lodsb; AD lodsv; AE scasb; AF scasv; B0+8 mov Zb Ib; B8+8 mov Zv Iv
C0/0 rol Eb Ib; C0/1 ror Eb Ib; C0/2 rcl Eb Ib; C0/3 rcr Eb Ib; C0/4 shl Eb Ib; C0/5 shr Eb Ib
C0/6 shl Eb Ib; C0/7 sar Eb Ib
C1/0 rol Ev Ib; C1/1 ror Ev Ib; C1/2 rcl Ev Ib; C1/3 rcr Ev Ib; C1/4 shl Ev Ib; C1/5 shr Ev Ib
C1/6 shl Ev Ib; C1/7 sar Ev Ib
C2 ret Iw; C3 ret; C4 les Gv Mp; C5 lds Gv Mp; C6/0 mov Eb Ib; C7/0 mov Ev Iv; C8 enter Iw Ib; C9 leave
CA retf Iw; CB retf; CC int3; CD int Ib; CE into; CF iret
D0/0 rol Eb 1; D0/1 ror Eb 1; D0/2 rcl Eb 1; D0/3 rcr Eb 1; D0/4 shl Eb 1; D0/5 shr Eb 1
D0/6 shl Eb 1; D0/7 sar Eb 1
D1/0 rol Ev 1; D1/1 ror Ev 1; D1/2 rcl Ev 1; D1/3 rcr Ev 1; D1/4 shl Ev 1; D1/5 shr Ev 1
D1/6 shl Ev 1; D1/7 sar Ev 1
D2/0 rol Eb cl; D2/1 ror Eb cl; D2/2 rcl Eb cl; D2/3 rcr Eb cl; D2/4 shl Eb cl; D2/5 shr Eb cl
D2/6 shl Eb cl; D2/7 sar Eb cl
D3/0 rol Ev cl; D3/1 ror Ev cl; D3/2 rcl Ev cl; D3/3 rcr Ev cl; D3/4 shl Ev cl; D3/5 shr Ev cl
D3/6 shl Ev cl; D3/7 sar Ev cl
D4 aam Ib; D5 aad Ib; D7 xlat; D8+8 x87
E0 loopne Jb; E1 loope Jb; E2 loop Jb; E3 jecxz Jb; E4 in al Ib; E5 in eax Ib; E6 out Ib al; E7 out Ib eax
E8 call Jv; E9 jmp Jv; EA jmpf Ap; EB jmp Jb; EC in al dx; ED in eax dx; EE out dx al; EF out dx eax
F0 prefix; F1 int1; F2 prefix; F3 prefix; F4 hlt; F5 cmc
F6/0 test Eb Ib; F6/1 test Eb Ib; F6/2 not Eb; F6/3 neg Eb; F6/4 mul Eb; F6/5 imul Eb; F6/6 div Eb
F6/7 idiv Eb
F7/0 test Ev Iv; F7/1 test Ev Iv; F7/2 not Ev; F7/3 neg Ev; F7/4 mul Ev; F7/5 imul Ev; F7/6 div Ev
F7/7 idiv Ev
F8 clc; F9 stc; FA cli; FB sti; FC cld; FD std; FE/0 inc Eb; FE/1 dec Eb
FF/0 inc Ev; FF/1 dec Ev; FF/2 call Ev; FF/3 callf Mp; FF/4 jmp Ev; FF/5 jmpf Mp; FF/6 push Ev
"""

_TWO = """
00/0 sldt Ew; 00/1 str Ew; 00/2 lldt Ew; 00/3 ltr Ew; 00/4 verr Ew; 00/5 verw Ew
01/0 sgdt Ms; 01/1 sidt Ms; 01/2 lgdt Ms; 01/3 lidt Ms; 01/4 smsw Ew; 01/6 lmsw Ew; 01/7 invlpg Mn
02 lar Gv Ew; 03 lsl Gv Ew; 06 clts; 08 invd; 09 wbinvd; 20 mov Rd Cd; 21 mov Rd Dd; 22 mov Cd Rd
23 mov Dd Rd; 31 rdtsc; 40+16 cmovcc Gv Ev; 80+16 jcc Jv; 90+16 setcc Eb; A0 push Ss; A1 pop Ss; A2 cpuid
A3 bt Ev Gv; A4 shld Ev Gv Ib; A5 shld Ev Gv cl; A8 push Ss; A9 pop Ss; AB bts Ev Gv
AC shrd Ev Gv Ib; AD shrd Ev Gv cl; AF imul Gv Ev; B0 cmpxchg Eb Gb; B1 cmpxchg Ev Gv; B2 lss Gv Mp
B3 btr Ev Gv; B4 lfs Gv Mp; B5 lgs Gv Mp; B6 movzx Gv Eb; B7 movzx Gv Ew
BA/4 bt Ev Ib; BA/5 bts Ev Ib; BA/6 btr Ev Ib; BA/7 btc Ev Ib; BB btc Ev Gv; BC bsf Gv Ev; BD bsr Gv Ev
BE movsx Gv Eb; BF movsx Gv Ew; C0 xadd Eb Gb; C1 xadd Ev Gv; C7/1 cmpxchg8b Mq; C8+8 bswap Zd
"""

ALU = ("add", "or", "adc", "sbb", "and", "sub", "xor", "cmp")

#: (mnemonic, operand codes)
Entry = tuple[str, tuple[str, ...]]


def _parse(text: str) -> dict[tuple[int, int], Entry]:
    """Keys are (opcode, ModRM.reg or -1)."""
    found: dict[tuple[int, int], Entry] = {}
    for item in text.replace("\n", ";").split(";"):
        words = item.split()
        if not words:
            continue
        code, mnemonic, operands = words[0], words[1], tuple(words[2:])
        if "/" in code:
            opcode, digit = code.split("/")
            found[int(opcode, 16), int(digit)] = (mnemonic, operands)
            continue
        first, _, count = code.partition("+")
        for n in range(int(count or "1")):
            found[int(first, 16) + n, -1] = (mnemonic, operands)
    return found


def _one_byte() -> dict[tuple[int, int], Entry]:
    found = _parse(_ONE)
    forms = (("Eb", "Gb"), ("Ev", "Gv"), ("Gb", "Eb"), ("Gv", "Ev"), ("al", "Ib"), ("eax", "Iv"))
    for number, mnemonic in enumerate(ALU):
        for offset, operands in enumerate(forms):
            found[number * 8 + offset, -1] = (mnemonic, operands)
    return found


#: One-byte opcodes, and those behind 0F.
ONE_BYTE: dict[tuple[int, int], Entry] = _one_byte()
TWO_BYTE: dict[tuple[int, int], Entry] = _parse(_TWO)
#: Opcodes that ModRM.reg tells apart.
ONE_BYTE_GROUPS = frozenset(code for code, digit in ONE_BYTE if digit >= 0)
TWO_BYTE_GROUPS = frozenset(code for code, digit in TWO_BYTE if digit >= 0)
