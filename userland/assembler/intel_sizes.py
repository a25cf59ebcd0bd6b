"""Which size memory has in an instruction of Intel syntax, where only one will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .operands import GENERAL, Operand, Reg

_SIZES: Final[Mapping[str, str]] = {
    name: size
    for size, names in {
        "w": "fldcw fnstcw fstcw fnstsw fstsw lldt sldt ltr str lmsw smsw verr verw lar lsl arpl",
        "l": "ldmxcsr stmxcsr movnti cvtss2sd cvtss2si cvttss2si cvtsi2ss cvtsi2sd",
        "q": "cmpxchg8b cvtdq2pd cvtps2pd cvtsd2ss cvtpi2ps cvtpi2pd cvtps2pi cvttps2pi cvtsd2si "
        "cvttsd2si",
        "f": "lgdt sgdt lidt sidt",
        "t": "fbld fbstp",
        "x": "cvtdq2ps cvtps2dq cvttps2dq cvtpd2ps cvtpd2dq cvttpd2dq cvtpd2pi cvttpd2pi",
        "": "fldenv fnstenv fstenv fnsave fsave frstor fxsave fxrstor",
    }.items()
    for name in names.split()
}
#: Selector and offset, by the register that gets the offset; and two bounds.
_POINTERS: Final = {"w": "l", "l": "f"}
_BOUNDS: Final = {"w": "l", "l": "q"}


def memory_size(mnemonic: str, operands: list[Operand]) -> str | None:
    """The letter of the only size that `ptr` may give; "" when it may give none, None when any will do or the
    rules are another's."""
    if mnemonic in _SIZES:
        return _SIZES[mnemonic]
    registers = [operand.name for operand in operands if isinstance(operand, Reg)]
    if mnemonic in ("les", "lds", "lss", "lfs", "lgs", "bound"):
        letter = next((GENERAL[name] for name in registers if name in GENERAL), "")
        return (_BOUNDS if mnemonic == "bound" else _POINTERS).get(letter)
    if not any(name.startswith(("xmm", "mm")) for name in registers) or mnemonic.startswith("cvt"):
        return None
    if mnemonic in ("movd", "movq", "movlps", "movhps", "movlpd", "movhpd"):
        return "l" if mnemonic == "movd" else "q"
    if mnemonic in ("pinsrw", "pextrw"):
        return None
    if mnemonic.endswith(("ss", "sd")):
        return "l" if mnemonic.endswith("ss") else "q"
    if not mnemonic.startswith(("p", "movdq", "movntdq")) and not mnemonic.endswith(("ps", "pd")):
        return None
    if any(name.startswith("xmm") for name in registers):
        return "x"
    return "l" if mnemonic.startswith("punpckl") else "q"
