"""The x87's registers, and where the engine keeps them in its context (struct fpu of emu/_x87_unit.h)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from unicorn import Uc
from unicorn import x86_const as x86

from emu.errors import EngineContractError

_STACK = tuple(getattr(x86, f"UC_X86_REG_FP{n}") for n in range(8))
#: In the order of struct x87_unit's reg_words.
WORDS = tuple(
    getattr(x86, f"UC_X86_REG_{name}")
    for name in ("FPCW", "FPSW", "FPTAG", "FIP", "FCS", "FDP", "FDS", "FOP")
)
FP0 = _STACK[0]
XMM0, MXCSR = x86.UC_X86_REG_XMM0, x86.UC_X86_REG_MXCSR
_LAYOUT = struct.Struct("<4xIHH8s4x128sHHHHQQ")
_REGISTER = struct.Struct("<QH6x")
FPU_SIZE = _LAYOUT.size
EMPTY = 1
_MARKS = (0x0B7F, 0x3D12, 0xC003, 0x5EED1234, 0x1073, 0x5EED8765, 0x107B, 0x3AB)


class Fpu:
    """What an x87 instruction works on. `status` is without TOP; `regs` and `empty` go by physical register.

    A register is (significand with its integer bit, sign and exponent).
    """

    top: int
    status: int
    control: int
    __slots__ = ("control", "cs", "dp", "ds", "empty", "ip", "opcode", "regs", "status", "top")

    def __init__(self, image: bytes) -> None:
        """From FPU_SIZE bytes of the engine's context."""
        self.top, self.status, self.control, tags, stack, *words = _LAYOUT.unpack(image)
        self.opcode, self.cs, self.ds, _, self.ip, self.dp = words
        self.empty = list(tags)
        self.regs: list[tuple[int, int]] = [(m, e) for m, e in _REGISTER.iter_unpack(stack)]

    def image(self) -> bytes:
        """The bytes again."""
        stack = b"".join(_REGISTER.pack(*register) for register in self.regs)
        return _LAYOUT.pack(
            *(self.top, self.status, self.control, bytes(self.empty), stack),
            *(self.opcode, self.cs, self.ds, 0, self.ip, self.dp),
        )

    @property
    def status_word(self) -> int:
        """The status word with TOP."""
        return self.status | self.top << 11

    def words(self) -> tuple[int, ...]:
        """The values of WORDS."""
        tags = sum(3 << 2 * n for n in range(8) if self.empty[n])
        return (
            *(self.control, self.status_word, tags),
            *(self.ip, self.cs, self.dp, self.ds, self.opcode),
        )


def locate_fpu(uc: Uc, save: Callable[[], None], data: memoryview) -> int:
    """Where struct fpu is in the context that `save` refreshes and `data` shows. Registers change.

    Raises EngineContractError when the engine has it in another form.
    """
    for ident, mark in zip(WORDS, _MARKS, strict=True):
        uc.reg_write(ident, mark)
    stack = [(0x5EED_0000_0000_0001 + n, 0x3FF0 + n) for n in range(8)]
    for ident, value in zip(_STACK, stack, strict=True):
        uc.reg_write(ident, value)
    save()
    image = bytes(data)
    wanted = Fpu(bytes(FPU_SIZE))
    wanted.control, status, _, wanted.ip, wanted.cs, wanted.dp, wanted.ds, wanted.opcode = _MARKS
    wanted.status, wanted.top = status & ~0x3800, status >> 11 & 7
    wanted.empty = [int(n in (0, 7)) for n in range(8)]
    wanted.regs = stack
    at = image.find(wanted.image()[4:20])
    at -= 4
    if at < 0 or Fpu(image[at : at + FPU_SIZE]).image() != wanted.image():
        raise EngineContractError(
            "cannot find the x87's registers in the engine's context; "
            "this package was built for unicorn 2.1.4"
        )
    return at
