"""Instructions for the fuzzer of the CPU: x87, SSE on floats, segments, jumps of 16 bits, forms that hardly
anybody writes.

Functions that the manual leaves a margin are not here (see docs/deviations.md), nor what depends on which
selectors a kernel has.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from instructions import ALL, CF, DF, HOLE, PAGE_B, PAGE_C, PF, WINDOW, ZF, Form, Writer

FLAT = 0xFFFFFFFF
#: Where in the window its words are control words, and what was left of them.
CONTROL, LEFT = WINDOW + 48, WINDOW + 52
_LOADS = ("flds {0}", "fldl {0}", "fldt {0}", "filds {0}", "fildl {0}", "fildll {0}", "fbld {0}")
_CONSTANTS = ("fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz")
_ONE = (
    "fsqrt", "frndint", "fxtract", "fabs", "fchs", "ftst", "fxam", "fxch", "fnop", "fincstp", "fdecstp",
    "ffree %st(1)", "fld %st(0)", "fld %st(1)", "fst %st(1)", "fstp %st(1)",
)  # fmt: skip
_TWO = (
    "fadd %st(1), %st", "fadd %st, %st(1)", "faddp", "fsub %st(1), %st", "fsubp", "fsubr %st(1), %st",
    "fsubrp", "fmul %st(1), %st", "fmulp", "fdiv %st(1), %st", "fdivp", "fdivr %st(1), %st", "fdivrp",
    "fprem", "fprem1", "fscale", "fcom", "fcomp", "fcompp", "fucom", "fucompp", "fcmovb %st(1), %st",
    "fcmovnbe %st(1), %st",
)  # fmt: skip
_INTO_FLAGS = ("fcomi", "fcomip", "fucomi", "fucomip")
_FROM_MEMORY = (
    "fadds {0}", "faddl {0}", "fiadds {0}", "fiaddl {0}", "fsubs {0}", "fsubrl {0}", "fmuls {0}",
    "fimull {0}", "fdivs {0}", "fdivrl {0}", "fidivs {0}", "fcoms {0}", "fcompl {0}", "ficoml {0}",
)  # fmt: skip
_STORES = (
    "fsts {0}", "fstps {0}", "fstl {0}", "fstpl {0}", "fstpt {0}", "fists {0}", "fistl {0}", "fistps {0}",
    "fistpl {0}", "fistpll {0}", "fisttps {0}", "fisttpl {0}", "fisttpll {0}", "fbstp {0}",
)  # fmt: skip
_FLOATS = (
    0.0, -0.0, 1.0, -1.5, 2.0, 3.0, 0.1, 1e-40, 1e-45, 3.4e38, 1e30, -1e-30, 2147483647.5, 65535.5,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
_PACKED = ("add", "sub", "mul", "div", "min", "max", "sqrt")
#: Opcodes behind 0F of MMX and SSE, but the approximations.
_SIMD_BYTES = tuple(
    op
    for op in (
        *range(0x10, 0x18), 0x28, 0x29, 0x2B, *range(0x50, 0x77), *range(0x7C, 0x80), 0xC2,
        *range(0xC4, 0xC7), *range(0xD0, 0xFF),
    )
    if op not in (0x52, 0x53)
)  # fmt: skip
#: One-byte instructions that do no harm: what stands for an immediate byte is one where there is none.
_HARMLESS = (0x90, 0xF8, 0xF9, 0x98, 0x99, 0x40, 0x41, 0x42, 0x43, 0x46, 0x47)


def _single(w: Writer) -> int:
    if w.r.random() < 0.6:
        return int.from_bytes(struct.pack("<f", w.r.choice(_FLOATS)), "little")
    return w.r.getrandbits(32)


def _source(w: Writer) -> str:
    """Somewhere in the window, now and then where a page ends."""
    if w.r.random() < 0.85:
        return f"{WINDOW + w.r.randrange(0, 32, 4):#x}"
    at = w.r.choice((PAGE_B - 1, PAGE_B - 4, PAGE_C - 6, PAGE_C + 8, HOLE - 4, HOLE - 9, HOLE, 8))
    return f"{at:#x}"


def x87(w: Writer) -> Form:
    """With rounding, precision and masks of their own; the status word comes to AX, ST(0) to memory."""
    r = w.r
    control = r.choice((0x37F, 0x37F, 0x27F, 0x7F, r.getrandbits(12) & 0xF3F | 0x40))
    lines = ["fninit"]
    for _ in range(r.choice((0, 1, 2, 2, 2, 3))):
        lines.append(
            r.choice(_LOADS).format(_source(w)) if r.random() < 0.8 else r.choice(_CONSTANTS)
        )
    lines += [f"movw ${control}, {CONTROL:#x}", f"fldcw {CONTROL:#x}"]
    mask, kind = DF, r.randrange(5)
    if kind == 0:
        lines.append(r.choice(_ONE))
    elif kind == 1:
        lines.append(r.choice(_TWO))
    elif kind == 2:
        lines.append(r.choice(_FROM_MEMORY).format(_source(w)))
    elif kind == 3:
        lines.append(r.choice(_STORES).format(_source(w)))
    else:
        lines.append(r.choice(_INTO_FLAGS))
        mask = ALL
    lines += ["fnstsw %ax", f"fstpt {WINDOW + 32:#x}", "fnclex"]
    return "; ".join(lines), mask


def sse(w: Writer) -> Form:
    """Floats: in the form of a prefix, with MXCSR of its own, which is kept afterwards."""
    r = w.r
    control = 0x1F80 | r.choice((0, 0, 0x2000, 0x4000, 0x6000, 0x8000, 0x40, 0x8040))
    if r.random() < 0.3:
        control &= ~(r.getrandbits(6) << 7)
    kind, form = r.randrange(6), r.choice(("ps", "ss", "pd", "sd"))
    one, two = "%xmm0", "%xmm1"
    if kind <= 2:
        middle = f"{r.choice(_PACKED)}{form} {two}, {one}"
    elif kind == 3:
        middle = f"cmp{form} ${r.randrange(8)}, {two}, {one}"
    elif kind == 4:
        middle = f"{r.choice(('comi', 'ucomi'))}{r.choice(('ss', 'sd'))} {two}, {one}"
    else:
        middle = r.choice(
            (f"cvtps2pd {two}, {one}", f"cvtpd2ps {two}, {one}", f"cvtdq2ps {two}, {one}",
             f"cvtps2dq {two}, {one}", f"cvttps2dq {two}, {one}", f"cvtsi2sd %ecx, {one}",
             f"cvtsi2ss %ecx, {one}", f"cvtsd2si {two}, %ecx", f"cvttss2si {two}, %ecx",
             f"cvtsd2ss {two}, {one}", f"cvtss2sd {two}, {one}", f"haddps {two}, {one}")
        )  # fmt: skip
    stores = "".join(
        f"movl ${_single(w)}, {WINDOW + 4 * n:#x}; " for n in range(8) if r.random() < 0.7
    )
    text = (
        f"{stores}movl ${control}, {CONTROL:#x}; ldmxcsr {CONTROL:#x}; movups {WINDOW:#x}, {one}; "
        f"movups {WINDOW + 16:#x}, {two}; {middle}; stmxcsr {LEFT:#x}; movups {one}, {WINDOW:#x}"
    )
    return text, CF | PF | ZF | DF


def segment(w: Writer) -> Form:
    """Selectors that are null, and that no kernel has."""
    r = w.r
    bad = r.choice((0x100, 0x1FB, 0x7FF8, 0xFFFB, 7, 0xF, 0x14, 0xFFFF))
    selector = r.choice((0, 1, 2, 3, bad, bad, bad, bad))
    kind = r.randrange(7)
    if kind == 0:
        return f"movl ${selector}, %eax; movl %eax, %{r.choice(('fs', 'gs', 'ss'))}", ALL
    if kind == 1:
        return f"pushl ${selector}; popl %{r.choice(('fs', 'gs', 'ss'))}", ALL
    if kind == 2:
        op = r.choice(("lfs", "lgs", "lss"))
        return f"movw ${selector}, {WINDOW + 4:#x}; {op} {WINDOW:#x}, %ecx", ALL
    if kind == 3:
        op = r.choice(("verr %ax", "verw %ax", "lar %eax, %ecx", "lsl %eax, %ecx"))
        return f"movl ${selector}, %eax; {op}", ALL
    if kind == 4:
        return f"{r.choice(('ljmp', 'lcall'))} ${selector}, $0", ALL
    if kind == 5:
        return f"pushl ${selector}; pushl $0; {r.choice(('lret', 'lret $4'))}", ALL
    # What LAR has of the limit is undefined.
    return r.choice(
        ("movl %ds, %eax; lsl %eax, %eax", "movl %ds, %eax; lar %eax, %eax; andl $0xf0ff00, %eax",
         "movl %cs, %eax; verr %ax; sbbl %eax, %eax", "movl %cs, %eax; verw %ax; movl $0, %eax",
         "movl %ds, %eax; verw %ax; movl $0, %eax",
         "movl %ss, %eax; movl %eax, %ss; pushf; movl $0, %eax; popf")
    ), DF  # fmt: skip


def short_jump(w: Writer) -> Form:
    """With an operand size of 16 bits EIP loses its upper half (SDM vol. 2, JMP)."""
    codes = "eb00 e90000 e80000 ffe0 ffd0 7400 750b 0f840000 e200 e300 c3 c20400"
    code = w.r.choice(codes.split())
    body = ", ".join(f"0x{code[n : n + 2]}" for n in range(0, len(code), 2))
    return f".byte 0x66, {body}; movl $0, %eax", ALL


def odd_form(w: Writer) -> Form:
    """MMX and SSE opcodes with any prefixes and any ModRM, groups with the numbers that there are not."""
    r = w.r
    prefixes = [r.choice((0x66, 0xF2, 0xF3)) for _ in range(r.choice((0, 1, 1, 1, 2)))]
    if r.random() < 0.2:
        prefixes.insert(r.randrange(len(prefixes) + 1), r.choice((0x3E, 0x26, 0x36)))
    modrm = r.randrange(8) << 3 | (0xC0 | r.randrange(2) if r.random() < 0.5 else 0x45)
    kind = r.random()
    if kind < 0.8:
        opcode = [0x0F, r.choice(_SIMD_BYTES)]
        if opcode[1] not in (0x71, 0x72, 0x73):
            modrm &= ~0x30  # the first two registers
    elif kind < 0.9:
        opcode = [0x0F, r.choice((0x18, 0xBA, 0x1F, 0xB9, 0xFF))]
    else:
        opcode = [r.choice((0xC6, 0xC7, 0xFE, 0x8F, 0x82))]
        if modrm & 0xC7 == 0xC4:
            modrm ^= 4
    if r.random() < 0.3:
        w.memory()
        modrm_at = w.at
    else:
        modrm_at = WINDOW + 16
    w.at = modrm_at
    w.registers.update(edi=WINDOW, ecx=r.randrange(4))
    tail = [0] if modrm < 0xC0 else []
    tail += [r.choice(_HARMLESS) for _ in range(1)] + [0x90] * 3
    load = "; ".join(
        f"movups {WINDOW + 16 * n:#x}, %xmm{n}; movq {WINDOW + 8 * n:#x}, %mm{n}" for n in range(2)
    )
    body = ", ".join(map(hex, [*prefixes, *opcode, modrm, *tail]))
    text = (
        f"fninit; movl $0x1f80, {CONTROL:#x}; ldmxcsr {CONTROL:#x}; {load}; .byte {body}; "
        f"movups %xmm0, {WINDOW:#x}; movq %mm0, {WINDOW + 16:#x}; emms"
    )
    return text, CF | DF


GROUPS: tuple[tuple[Callable[[Writer], Form], int], ...] = (
    (x87, 6), (sse, 5), (segment, 2), (short_jump, 1), (odd_form, 4),
)  # fmt: skip
