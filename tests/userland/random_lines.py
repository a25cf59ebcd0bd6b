"""Random instructions in AT&T and in Intel syntax: most are wrong, and then both assemblers must say so."""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

import random

GENERAL = (
    "eax ecx edx ebx esp ebp esi edi".split(),
    "ax cx dx bx sp bp si di".split(),
    "al cl dl bl ah ch dh bh".split(),
)
OTHERS = {
    "s": "es cs ss ds fs gs".split(), "c": "cr0 cr3 dr0 dr7".split(),
    "x": [f"xmm{n}" for n in range(8)], "m": [f"mm{n}" for n in range(8)],
    "f": ["st", *(f"st({n})" for n in range(8))],
}  # fmt: skip
INTEGER = (
    "add adc sub xor cmp test xchg xadd cmpxchg mov inc neg not mul div idiv imul push pop lea shl sar rcr "
    "shld shrd bt btc bsf popcnt lar lsl bswap in out les lss bound nop lldt lmsw verr sldt smsw call enter "
    "ret movzx movsx leave cmovne setl int aad arpl cmpxchg8b invlpg lgdt sidt movs cmps stos lods ins outs "
    "xlat lcall movnti clflush movsb stosd cmpsb insb pushf popa iret cwde cdq lahf fxsave ldmxcsr retf"
).split()
SUFFIXED = (
    "addl subw xorb movl cmpw testb xchgl pushl popw incl decb negl mull divw idivb imull leal shll rolb btl "
    "inb outw movzbl movswl movzbw cmovnel lret enterl movsl stosb lodsw scasl pushal popfw sldtw lgdtl nopw"
).split()
VECTOR = (
    "addps subss mulpd sqrtsd movaps movss movsd unpcklps cvtps2pd cvtsd2ss cvtdq2pd movdqa paddb psubq "
    "pand pcmpeqd pmullw punpcklbw packssdw psadbw movhlps movq movd movlps movntps pmovmskb cvttsd2si "
    "cvtsi2sd psllw pslldq maskmovq cvtpi2ps shufps cmpltsd cmpps pshufd pshufw pinsrw pextrw emms"
).split()
FLOAT = (
    "fld fst fstp fild fist fistp fadd fmul fsubr fdiv faddp fdivrp fiadd ficom fcomp fucomi fxch ffree "
    "fcmovb fld1 fchs fninit fldcw fstsw fnstenv frstor fbld fisttp flds fldl fstpt fildll fistpll fcompl"
).split()
PREFIXES = ("lock", "rep", "repne", "addr16", "data16", "cs", "fs", "notrack")


class RandomLines:
    """`intel` chooses the syntax; the same seed gives the same lines."""

    def __init__(self, seed: int, intel: bool) -> None:
        self.random = random.Random(seed)
        self.intel = intel

    def line(self) -> str:
        """One instruction."""
        pick = self.random.choice
        kind = self.random.random()
        if kind < 0.6:
            name = pick(INTEGER if self.intel else INTEGER + SUFFIXED)
            registers = pick(GENERAL)
            operands = [
                self._register(pick(registers)) if self.random.random() < 0.45
                else self._operand("gmmiisc" if self.random.random() < 0.1 else "gmi")
                for _ in range(pick((0, 1, 1, 2, 2, 2, 3)))
            ]  # fmt: skip
        elif kind < 0.82:
            name = pick(VECTOR)
            operands = [
                self._operand(pick(("xxa", "xxa", "mma", "gia")))
                for _ in range(pick((0, 1, 2, 2, 2)))
            ]
            if operands and self.random.random() < 0.2:
                operands.insert(len(operands) if self.intel else 0, self._immediate())
        else:
            name = pick(FLOAT)
            operands = [self._operand("ffa") for _ in range(pick((0, 1, 1, 2)))]
        before = f"{pick(PREFIXES)} " if self.random.random() < 0.05 else ""
        return f"{before}{name} {', '.join(operands)}".strip()

    def _register(self, name: str) -> str:
        return name if self.intel else f"%{name}"

    def _operand(self, kinds: str) -> str:
        kind = self.random.choice(kinds)
        if kind == "g":
            return self._register(self.random.choice(self.random.choice(GENERAL)))
        if kind == "i":
            return self._immediate()
        if kind == "a" or (kind == "m" and "x" not in kinds and "g" in kinds):
            return self._address()
        return self._register(self.random.choice(OTHERS[kind]))

    def _immediate(self) -> str:
        numbers = ("0", "1", "-1", "127", "128", "-129", "255", "256", "0x1234", "0xffff", "0x12345678",
                   "0xffffffff", "known*2+1", "sym", "sym+4")  # fmt: skip
        value = self.random.choice(numbers)
        if not self.intel:
            return f"${value}"
        return f"offset {value}" if value.startswith("sym") else value

    def _address(self) -> str:
        pick = self.random.choice
        base = pick([*GENERAL[0], None, None])
        index = pick([name for name in GENERAL[0] if name != "esp"] + [None] * 8)
        scale = pick((1, 2, 4, 8))
        if self.random.random() < 0.05:
            base, index, scale = pick((("bx", "si", 1), ("bp", None, 1), ("di", None, 1)))
        away = pick(("", "", "4", "-4", "sym", "127", "128", "sym+4", "0x1000", "known"))
        segment = pick(["", "", "", "", "", *OTHERS["s"]])
        if not base and not index and not away:
            away = "sym"
        if self.intel:
            return self._intel(base, index, scale, away, segment)
        inside = f"%{base}" if base else ""
        inside += f",%{index},{scale}" if index else ""
        return (f"%{segment}:" if segment else "") + away + (f"({inside})" if inside else "")

    def _intel(
        self, base: str | None, index: str | None, scale: int, away: str, segment: str
    ) -> str:
        parts = [base] if base else []
        if index:
            parts.append(index if scale == 1 else f"{index}*{scale}")
        parts += [away] if away else []
        sizes = ("", "", "byte ptr ", "word ptr ", "dword ptr ", "DWORD PTR ", "qword ptr ", "tbyte ptr ",
                 "fword ptr ", "xmmword ptr ")  # fmt: skip
        inside = "+".join(parts).replace("+-", "-")
        return self.random.choice(sizes) + (f"{segment}:" if segment else "") + f"[{inside}]"
