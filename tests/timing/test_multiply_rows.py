"""Which row of the table of clocks each encoding of a multiplication or division has."""

import pytest

from emu.timing.decode import decode
from emu.timing.tables import forms

ROWS = {
    "f6e1": ("mul", "r8"), "f621": ("mul", "m8"), "66f7e1": ("mul", "r16"), "66f721": ("mul", "m16"),
    "f7e1": ("mul", "r32"), "f721": ("mul", "m32"), "f6e9": ("imul", "r8 (one operand)"),
    "f629": ("imul", "m8 (one operand)"), "66f7e9": ("imul", "r16 (one operand)"),
    "66f729": ("imul", "r16 (one operand)"), "f7e9": ("imul", "r32 (one operand)"),
    "f729": ("imul", "m32 (one operand)"), "0fafc1": ("imul", "r32,r32"), "0faf01": ("imul", "r32,m32"),
    "660fafc1": ("imul", "r16,r16"), "660faf01": ("imul", "r16,r16"), "6bc105": ("imul", "r32,r/m32,imm8"),
    "6b0105": ("imul", "r32,r/m32,imm8"), "69c100000001": ("imul", "r32,r/m32,imm32"),
    "690100000001": ("imul", "r32,r/m32,imm32"), "666bc105": ("imul", "r32,r/m32,imm8"),
    "6669c10001": ("imul", "r32,r/m32,imm32"),
}  # fmt: skip


@pytest.mark.parametrize("code", ROWS)
def test_of_each_encoding(code: str) -> None:
    found = decode(bytes.fromhex(code))
    assert found is not None
    assert (found.mnemonic, forms(found)[0]) == ROWS[code]
