"""Names of x87 instructions (Intel i486 Programmer's Reference Manual, appendix A, escape opcodes).

`decode_x87` gives the mnemonic, the row's form, the memory operand's size in bytes and how it is
used. Register forms name their stack operands "st".
"""

from __future__ import annotations

READ, WRITE, RMW = 1, 2, 3

_ARITHMETIC = ("fadd", "fmul", "fcom", "fcomp", "fsub", "fsubr", "fdiv", "fdivr")
_INTEGER = ("fiadd", "fimul", "ficom", "ficomp", "fisub", "fisubr", "fidiv", "fidivr")

#: (escape opcode, ModRM.reg): mnemonic, form, bytes, use
_MEMORY: dict[tuple[int, int], tuple[str, str, int, int]] = {
    **{(0xD8, n): (name, "m32", 4, READ) for n, name in enumerate(_ARITHMETIC)},
    **{(0xDC, n): (name, "m64", 8, READ) for n, name in enumerate(_ARITHMETIC)},
    **{(0xDA, n): (name, "m32", 4, READ) for n, name in enumerate(_INTEGER)},
    **{(0xDE, n): (name, "m16", 2, READ) for n, name in enumerate(_INTEGER)},
    (0xD9, 0): ("fld", "m32", 4, READ),
    (0xD9, 2): ("fst", "m32", 4, WRITE),
    (0xD9, 3): ("fstp", "m32", 4, WRITE),
    (0xD9, 4): ("fldenv", "m", 28, READ),
    (0xD9, 5): ("fldcw", "m", 2, READ),
    (0xD9, 6): ("fnstenv", "m", 28, WRITE),
    (0xD9, 7): ("fnstcw", "m", 2, WRITE),
    (0xDB, 0): ("fild", "m32", 4, READ),
    (0xDB, 2): ("fist", "m32", 4, WRITE),
    (0xDB, 3): ("fistp", "m32", 4, WRITE),
    (0xDB, 5): ("fld", "m80", 10, READ),
    (0xDB, 7): ("fstp", "m80", 10, WRITE),
    (0xDD, 0): ("fld", "m64", 8, READ),
    (0xDD, 2): ("fst", "m64", 8, WRITE),
    (0xDD, 3): ("fstp", "m64", 8, WRITE),
    (0xDD, 4): ("frstor", "m", 108, READ),
    (0xDD, 6): ("fnsave", "m", 108, WRITE),
    (0xDD, 7): ("fnstsw", "m16", 2, WRITE),
    (0xDF, 0): ("fild", "m16", 2, READ),
    (0xDF, 2): ("fist", "m16", 2, WRITE),
    (0xDF, 3): ("fistp", "m16", 2, WRITE),
    (0xDF, 4): ("fbld", "m80", 10, READ),
    (0xDF, 5): ("fild", "m64", 8, READ),
    (0xDF, 6): ("fbstp", "m80", 10, WRITE),
    (0xDF, 7): ("fistp", "m64", 8, WRITE),
}

_REVERSED = ("fadd", "fmul", "fcom", "fcomp", "fsubr", "fsub", "fdivr", "fdiv")
#: (escape opcode, ModRM.reg) with st(i)
_STACK: dict[tuple[int, int], str] = {
    **{(0xD8, n): name for n, name in enumerate(_ARITHMETIC)},
    **{(0xDC, n): name for n, name in enumerate(_REVERSED) if n not in (2, 3)},
    **{(0xDE, n): name for n, name in enumerate(_REVERSED) if n not in (2, 3)},
    (0xD9, 0): "fld",
    (0xD9, 1): "fxch",
    (0xDD, 0): "ffree",
    (0xDD, 2): "fst",
    (0xDD, 3): "fstp",
    (0xDD, 4): "fucom",
    (0xDD, 5): "fucomp",
}

#: (escape opcode, ModRM)
_PLAIN: dict[tuple[int, int], str] = {
    (0xD9, 0xD0): "fnop",
    (0xD9, 0xE0): "fchs",
    (0xD9, 0xE1): "fabs",
    (0xD9, 0xE4): "ftst",
    (0xD9, 0xE5): "fxam",
    **{
        (0xD9, 0xE8 + n): name
        for n, name in enumerate(("fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz"))
    },
    **{
        (0xD9, 0xF0 + n): name
        for n, name in enumerate(
            (
                *("f2xm1", "fyl2x", "fptan", "fpatan", "fxtract", "fprem1", "fdecstp", "fincstp"),
                *("fprem", "fyl2xp1", "fsqrt", "fsincos", "frndint", "fscale", "fsin", "fcos"),
            )
        )
    },
    (0xDA, 0xE9): "fucompp",
    (0xDB, 0xE2): "fnclex",
    (0xDB, 0xE3): "fninit",
    (0xDE, 0xD9): "fcompp",
}


def decode_x87(opcode: int, modrm: int) -> tuple[str, str, int, int] | None:
    """(mnemonic, form, bytes of a memory operand, its use), or None when there is no such one."""
    if modrm < 0xC0:
        return _MEMORY.get((opcode, modrm >> 3 & 7))
    if (opcode, modrm) == (0xDF, 0xE0):
        return "fnstsw", "ax", 0, 0
    plain = _PLAIN.get((opcode, modrm))
    if plain is not None:
        return plain, "-", 0, 0
    stack = _STACK.get((opcode, modrm >> 3 & 7))
    return (stack, "st", 0, 0) if stack is not None else None
