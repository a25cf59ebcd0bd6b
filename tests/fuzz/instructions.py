"""Instructions of a random kind with random operands, for the fuzzer of the CPU."""

from __future__ import annotations

import random
from collections.abc import Callable

CF, PF, AF, ZF, SF, DF, OF = 1, 4, 0x10, 0x40, 0x80, 0x400, 0x800
ALL = CF | PF | AF | ZF | SF | DF | OF
STATUS = ALL & ~DF
WINDOW = 0x20000800
PAGE_B, PAGE_C, HOLE = 0x20001000, 0x20002000, 0x20003000
LONG = ("%eax", "%ecx", "%edx", "%ebx", "%esi", "%edi")
WORD = ("%ax", "%cx", "%dx", "%bx", "%si", "%di")
BYTE = ("%al", "%cl", "%dl", "%bl", "%ah", "%ch", "%dh", "%bh")
REGISTERS = {"b": BYTE, "w": WORD, "l": LONG}
CONDITIONS = (
    "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g",
)  # fmt: skip
SHORT = (
    "cbtw", "cwtl", "cwtd", "cltd", "lahf", "sahf", "cmc", "clc", "stc", "cld", "std", "salc", "nop", "xlat",
    "bswap",
)  # fmt: skip
INTERESTING = (
    0, 1, 2, 3, 7, 8, 9, 0xF, 0x10, 0x1F, 0x20, 0x21, 0x7F, 0x80, 0x81, 0x99, 0xFF, 0x100, 0x7FFF, 0x8000,
    0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFF80, 0x55555555,
)  # fmt: skip

_SIMD = """
paddb paddw paddd paddq paddsb paddsw paddusb paddusw psubb psubw psubd psubq psubsb psubsw psubusb
psubusw pmullw pmulhw pmulhuw pmaddwd pmuludq pand pandn por pxor pcmpeqb pcmpeqw pcmpeqd pcmpgtb
pcmpgtw pcmpgtd packsswb packssdw packuswb punpcklbw punpcklwd punpckldq punpckhbw punpckhwd
punpckhdq pavgb pavgw pmaxub pmaxsw pminub pminsw psadbw psllw pslld psllq psrlw psrld psrlq psraw
psrad
"""
SIMD = tuple(_SIMD.split())
_SIMD_WIDE = """
punpcklqdq punpckhqdq andps andnps orps xorps unpcklps unpckhps unpcklpd unpckhpd movq
"""
SIMD_WIDE = tuple(_SIMD_WIDE.split())

Form = tuple[str, int]


def value(r: random.Random) -> int:
    """A word, often one at an edge."""
    return r.choice(INTERESTING) if r.random() < 0.55 else r.getrandbits(32)


class Writer:
    """Writes one instruction; `at` is where %ebp has to point for its memory operand."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.at = WINDOW
        self.registers: dict[str, int] = {}

    def memory(self) -> str:
        """An operand in the window, or where a page ends, may not be written, or is not there."""
        r = self.r
        if r.random() < 0.75:
            self.at = WINDOW + 8 + r.randrange(40)
        else:
            self.at = r.choice(
                (
                    PAGE_B - 1,
                    PAGE_B - 2,
                    PAGE_C - 1,
                    PAGE_C - 3,
                    PAGE_C + 16,
                    HOLE - 1,
                    HOLE,
                    HOLE - 2,
                    4,
                )
            )
        offset = r.choice((0, 0, 1, 4, -3, 0x1000, -0x80000000))
        self.at = (self.at - offset) & 0xFFFFFFFF
        return f"{offset}(%ebp)" if offset else "(%ebp)"

    def operand(self, size: str) -> str:
        return self.memory() if self.r.random() < 0.5 else self.r.choice(REGISTERS[size])

    def register(self, size: str) -> str:
        return self.r.choice(REGISTERS[size])

    def immediate(self, size: str) -> str:
        bits = {"b": 8, "w": 16, "l": 32}[size]
        return f"${value(self.r) & ((1 << bits) - 1)}"

    def size(self) -> str:
        return self.r.choice("bwlll")

    def lock(self, target: str) -> str:
        return "lock " if "(" in target and self.r.random() < 0.3 else ""

    # -- groups of instructions: the text, and the flags that are defined after it --------------

    def alu(self) -> Form:
        op = self.r.choice(("add", "adc", "sub", "sbb", "cmp", "and", "or", "xor", "test"))
        size = self.size()
        mask = ALL & ~AF if op in ("and", "or", "xor", "test") else ALL
        if self.r.random() < 0.3 and op != "test":
            return f"{op}{size} {self.memory()}, {self.register(size)}", mask
        target = self.operand(size)
        source = self.register(size) if self.r.random() < 0.5 else self.immediate(size)
        lock = self.lock(target) if op not in ("cmp", "test") else ""
        return f"{lock}{op}{size} {source}, {target}", mask

    def unary(self) -> Form:
        size = self.size()
        target = self.operand(size)
        op = self.r.choice(("inc", "dec", "neg", "not"))
        return f"{self.lock(target)}{op}{size} {target}", ALL

    def shift(self) -> Form:
        r, size = self.r, self.size()
        op = r.choice(("rol", "ror", "rcl", "rcr", "shl", "shr", "sar"))
        rotate = op[0] == "r"
        count = r.choice((0, 1, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, r.randrange(256)))
        masked, bits = count & 31, {"b": 8, "w": 16, "l": 32}[size]
        if r.random() < 0.4:
            self.registers["ecx"] = r.getrandbits(24) << 8 | count
            by = "%cl, "
        else:
            by = f"${count}, "
        if rotate:
            # OF is defined for one place; CF stays what it was when nothing moves.
            mask = ALL if masked in (0, 1) else ALL & ~OF
        else:
            mask = ALL & ~AF if masked == 1 else ALL if masked == 0 else ALL & ~(AF | OF)
            if op != "sar" and masked >= bits:
                mask &= ~CF
        target = self.operand(size)
        if by == "%cl, " and target in ("%cl", "%ch", "%cx", "%ecx"):
            target = REGISTERS[size][2]
        return f"{op}{size} {by}{target}", mask

    def double_shift(self) -> Form:
        r, op = self.r, self.r.choice(("shld", "shrd"))
        size = r.choice("wl")
        count = (
            r.choice((0, 1, 2, 5, 15, 16, 31, 33)) if size == "l" else r.choice((0, 1, 2, 9, 15))
        )
        masked = count & 31
        mask = ALL if not masked else ALL & ~AF if masked == 1 else ALL & ~(AF | OF)
        return f"{op}{size} ${count}, {self.register(size)}, {self.operand(size)}", mask

    def multiply(self) -> Form:
        r, size = self.r, self.size()
        mask = ALL & ~(SF | ZF | AF | PF)
        if size != "b" and r.random() < 0.5:
            if r.random() < 0.5:
                return f"imul{size} {self.operand(size)}, {self.register(size)}", mask
            wide = self.immediate(size)
            return f"imul{size} {wide}, {self.operand(size)}, {self.register(size)}", mask
        return f"{r.choice(('mul', 'imul'))}{size} {self.operand(size)}", mask

    def divide(self) -> Form:
        r, size = self.r, self.size()
        if r.random() < 0.7:  # something that fits, as often as not
            self.registers["edx"] = r.choice((0, 0, 1, 0xFFFFFFFF, 0xFFFF))
        return f"{r.choice(('div', 'idiv'))}{size} {self.operand(size)}", DF

    def bits(self) -> Form:
        r = self.r
        op, size = r.choice(("bt", "bts", "btr", "btc")), r.choice("wl")
        mask = CF | ZF | DF
        if r.random() < 0.5:
            target = self.operand(size)
            lock = self.lock(target) if op != "bt" else ""
            return f"{lock}{op}{size} ${r.randrange(256)}, {target}", mask
        index = r.choice(("%ecx", "%edx"))
        if r.random() < 0.5:
            self.registers[index[1:]] = r.choice(
                (0, 31, 32, 63, 95, -1 & 0xFFFFFFFF, -32 & 0xFFFFFFFF)
            )
            self.at = WINDOW + 24
            name = index if size == "l" else {"%ecx": "%cx", "%edx": "%dx"}[index]
            return f"{op}{size} {name}, (%ebp)", mask
        return f"{op}{size} {self.register(size)}, {self.register(size)}", mask

    def scan(self) -> Form:
        source = self.operand("l")
        if source[0] == "%":
            self.registers[source[1:]] = value(self.r) or 1
        # For a zero source the target is undefined; ZF says so.
        target = self.r.choice(LONG)
        return f"{self.r.choice(('bsf', 'bsr'))} {source}, {target}", ZF | DF

    def exchange(self) -> Form:
        size = self.size()
        target, register = self.operand(size), self.register(size)
        op = self.r.choice(("xchg", "xadd", "cmpxchg"))
        if op == "cmpxchg" and self.r.random() < 0.5 and size == "l" and target[0] == "%":
            self.registers[target[1:]] = self.registers["eax"] = value(self.r)
        return f"{self.lock(target)}{op}{size} {register}, {target}", ALL

    def cmpxchg8b(self) -> Form:
        if self.r.random() < 0.5:
            self.registers.update(eax=0, edx=0)
        return f"{self.r.choice(('', 'lock '))}cmpxchg8b {self.memory()}", ALL

    def move(self) -> Form:
        r, size = self.r, self.size()
        kind = r.randrange(8)
        if kind == 0:
            return f"mov{size} {self.immediate(size)}, {self.operand(size)}", ALL
        if kind == 1:
            return f"mov{size} {self.memory()}, {self.register(size)}", ALL
        if kind == 2:
            return f"mov{r.choice('zs')}bl {self.operand('b')}, {self.register('l')}", ALL
        if kind == 3:
            return f"mov{r.choice('zs')}wl {self.operand('w')}, {self.register('l')}", ALL
        if kind == 4:
            return f"set{r.choice(CONDITIONS)} {self.operand('b')}", ALL
        if kind == 5:
            return f"cmov{r.choice(CONDITIONS)} {self.operand('l')}, {self.register('l')}", ALL
        if kind == 6:
            index = f"{r.choice(LONG)},{r.choice((1, 2, 4, 8))}"
            address = f"{r.randrange(-99, 99)}({self.register('l')},{index})"
            return f"lea {address}, {self.register('l')}", ALL
        return f"mov{size} {self.register(size)}, {self.operand(size)}", ALL

    def short(self) -> Form:
        op = self.r.choice(
            [
                "cbtw",
                "cwtl",
                "cwtd",
                "cltd",
                "lahf",
                "sahf",
                "cmc",
                "clc",
                "stc",
                "cld",
                "std",
                "salc",
                "nop",
                "xlat",
                "bswap",
            ]
        )
        if op == "xlat":
            self.registers["ebx"] = WINDOW
            self.registers["eax"] = self.r.getrandbits(24) << 8 | self.r.randrange(64)
        if op == "bswap":
            return f"bswap {self.register('l')}", ALL
        return {"salc": ".byte 0xd6"}.get(op, op), ALL

    def decimal(self) -> Form:
        op = self.r.choice(("daa", "das", "aaa", "aas", "aam", "aad"))
        if op in ("daa", "das"):
            return op, ALL & ~OF
        if op in ("aaa", "aas"):
            return op, DF | CF | AF
        base = self.r.choice((10, 10, 16, 2, 0, 255))
        if op == "aam" and not base:
            return "aam $0", DF
        return f"{op} ${base}", DF | SF | ZF | PF

    def string(self) -> Form:
        r = self.r
        op, size = r.choice(("movs", "cmps", "stos", "lods", "scas")), r.choice("bwl")
        repeat = r.choice(("", "rep ", "repne " if op in ("cmps", "scas") else "rep "))
        step = {"b": 1, "w": 2, "l": 4}[size]
        places = (
            WINDOW + 16,
            WINDOW + 24,
            WINDOW + 32,
            PAGE_B - step,
            PAGE_C - 2 * step,
            HOLE - step,
        )
        self.registers.update(
            ecx=r.choice((0, 1, 2, 3, 4)), esi=r.choice(places), edi=r.choice(places[:5])
        )
        # Which of its iterations' flags a REP CMPS that faults leaves is not said.
        return f"{repeat}{op}{size}", ALL if not repeat or op not in ("cmps", "scas") else DF

    def stack(self) -> Form:
        r = self.r
        form = r.randrange(12)
        if form == 0:
            return f"push{r.choice('wl')} {self.memory()}", ALL
        if form == 1:
            return f"pop{r.choice('wl')} {self.memory()}", ALL
        if form == 2:
            return f"push {self.register('l')}; pop {self.register('l')}", ALL
        if form == 3:
            return r.choice(
                ("pusha", "pushaw", "push $-3", "pushw $0x1234", "push $0x12345678")
            ), ALL
        if form == 4:
            return f"pushl ${value(r) & STATUS}; popfl", ALL
        if form == 5:
            return f"pushw ${value(r) & STATUS}; popfw", ALL
        if form == 6:
            return f"enter ${r.choice((0, 4, 16))}, $0", ALL
        if form == 7:
            self.at = WINDOW
            return "leave", ALL
        if form == 8:
            return "call 1f; 1: pop %eax; subl code, %eax", ALL
        if form == 9:
            return "pushl $1f; ret; ud2; 1: nop", ALL
        if form == 10:
            return "pushl $1f; ret $4; ud2; 1: nop", ALL
        return f"push %esp; pop {self.register('l')}; subl $stack_top, %ecx", DF

    def jump(self) -> Form:
        r = self.r
        kind = r.randrange(4)
        if kind == 0:
            return f"j{r.choice(CONDITIONS)} 1f; bswap %eax; 1: nop", ALL
        if kind == 1:
            self.registers["ecx"] = r.choice((0, 1, 2, 3, 0x10000, 0xFFFF))
            return (
                f"{r.choice(('loop', 'loope', 'loopne', 'jecxz', 'jcxz'))} 1f; bswap %eax; 1: nop",
                ALL,
            )
        if kind == 2:
            return "movl $1f, %eax; jmp *%eax; ud2; 1: xorl %eax, %eax", ALL & ~AF
        nowhere = r.choice(
            (4, 0x10000000, HOLE, HOLE + 0xFFE)
        )  # data may be executed without an NX bit
        return f"movl ${nowhere}, {WINDOW}; {r.choice(('jmp', 'call'))} *{WINDOW}", ALL

    def fault(self) -> Form:
        r = self.r
        if r.random() < 0.3:
            self.registers["eax"] = r.choice((0, 5, 100, 0x80000000))
            return f"bound %eax, {self.memory()}", ALL
        return r.choice(
            ("ud2", "int3", "into", "hlt", "cli", "sti", "inb $0x60, %al", "outl %eax, %dx", "int $0x81",
             "insb", "rep outsb", "movl %cr0, %eax", "movl %eax, %db7", "clts", "invd", "lmsw %ax", "wrmsr",
             "rdmsr", "invlpg (%ebp)", "iret", ".byte 0xf0; nop", ".byte 0xf0; movl %eax, (%ebp)",
             ".byte 0xf0; cmpl %eax, (%ebp)")
        ), ALL  # fmt: skip

    def simd(self) -> Form:
        """MMX and SSE2 on integers: the first 16 bytes of the window, by those behind them."""
        r, wide = self.r, self.r.random() < 0.6
        self.at = WINDOW
        names, load = ("%xmm0", "%xmm1"), "movdqu"
        if not wide:
            names, load = ("%mm0", "%mm1"), "movq"
        target, source = names
        kind = r.randrange(8)
        if kind == 0:
            op = f"p{r.choice(('sllw', 'slld', 'sllq', 'srlw', 'srld', 'srlq', 'sraw', 'srad'))}"
            middle = f"{op} ${r.choice((0, 1, 7, 8, 15, 16, 31, 32, 63, 64, 255))}, {target}"
        elif kind == 1:
            lanes = ["pshufd", "pshuflw", "pshufhw", "shufps"] if wide else ["pshufw"]
            middle = f"{r.choice(lanes)} ${r.randrange(256)}, {source}, {target}"
        elif kind == 2:
            register = r.choice(LONG)
            middle = r.choice(
                (f"pmovmskb {source}, {register}", f"pextrw ${r.randrange(256)}, {source}, {register}",
                 f"pinsrw ${r.randrange(256)}, {register}, {target}", f"movd {source}, {register}",
                 f"movd {register}, {target}")
            )  # fmt: skip
        else:
            middle = f"{r.choice(SIMD + SIMD_WIDE if wide else SIMD)} {source}, {target}"
        end = "" if wide else "; emms"
        return (
            f"{load} (%ebp), {target}; {load} 16(%ebp), {source}; {middle}; {load} {target}, (%ebp){end}",
            ALL,
        )

    def prefixed(self) -> Form:
        """Prefixes that change nothing: segments of base 0, sizes where there is no operand, REP."""
        form, mask = self.r.choice((self.alu, self.unary, self.move))()
        if "lock" in form or "rep" in form:
            return form, mask
        return f"{self.r.choice(('es ', 'ss ', 'ds '))}{form}", mask


GROUPS: tuple[tuple[Callable[[Writer], Form], int], ...] = (
    (Writer.alu, 8), (Writer.unary, 3), (Writer.shift, 5), (Writer.double_shift, 2), (Writer.multiply, 3),
    (Writer.divide, 3), (Writer.bits, 3), (Writer.scan, 1), (Writer.exchange, 3), (Writer.cmpxchg8b, 1),
    (Writer.move, 5), (Writer.short, 2), (Writer.decimal, 2), (Writer.string, 4), (Writer.stack, 3),
    (Writer.jump, 3), (Writer.fault, 2), (Writer.prefixed, 1), (Writer.simd, 3),
)  # fmt: skip
