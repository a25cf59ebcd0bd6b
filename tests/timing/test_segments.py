"""Which segment an instruction's memory is in: by its base register, or by its last override (SDM vol. 2)."""

import itertools

import pytest

from emu.timing.decode import decode

OVERRIDES = {0x26: 0, 0x2E: 1, 0x36: 2, 0x3E: 3, 0x64: 4, 0x65: 5}
SS, DS = 2, 3
#: MOV EAX from memory, with what it is addressed by; the others address by the same bytes.
FORMS = {
    "(%eax)": (b"\x00", DS),
    "(%esp)": (b"\x04\x24", SS),
    "0(%ebp)": (b"\x45\x00", SS),
    "0(%esi)": (b"\x46\x00", DS),
    "(%ebp,%eax)": (b"\x44\x05\x00", SS),
    "(%eax,%ebp)": (b"\x04\x28", DS),
    "(,%ebp)": (b"\x04\x2d\x00\x00\x00\x00", DS),
    "absolute": (b"\x05\x00\x00\x00\x00", DS),
}


def segment(code: bytes) -> int:
    found = decode(code.ljust(15, b"\x90"))
    assert found is not None, code.hex()
    return found.segment


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("opcode", [b"\x8b", b"\x88", b"\x0f\xb6", b"\xd9"], ids=bytes.hex)
def test_of_a_memory_operand(form: str, opcode: bytes) -> None:
    address, default = FORMS[form]
    assert segment(opcode + address) == default
    for prefix, wanted in OVERRIDES.items():
        assert segment(bytes((prefix,)) + opcode + address) == wanted
        assert segment(bytes((prefix, 0x66)) + opcode + address) == wanted
        assert segment(bytes((0x66, prefix)) + opcode + address) == wanted
    for one, two in itertools.product(OVERRIDES, repeat=2):
        assert segment(bytes((one, two)) + opcode + address) == OVERRIDES[two]


@pytest.mark.parametrize("opcode", [0xA0, 0xA1, 0xA3, 0xA4, 0xA5, 0xA6, 0xAC, 0xAD, 0x6E])
def test_of_what_has_no_modrm(opcode: int) -> None:
    assert segment(bytes((opcode,))) == DS
    for prefix, wanted in OVERRIDES.items():
        assert segment(bytes((prefix, opcode))) == wanted
