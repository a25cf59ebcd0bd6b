"""What the hooks take an instruction for, for every opcode and ModRM, against a disassembler's names."""

from __future__ import annotations

from collections.abc import Iterator

import capstone
import pytest
from capstone import x86

from emu import hooks, kinds
from emu.x87 import forms
from emu.x87.sse import OPERATIONS, PD, PS, SD, SS

_TAIL = bytes(10)
_BRANCHES = (capstone.CS_GRP_JUMP, capstone.CS_GRP_CALL, capstone.CS_GRP_RET, capstone.CS_GRP_IRET)
#: SDM vol. 2, LOCK; the destination must be in memory.
_LOCKABLE = frozenset(
    ("add", "adc", "and", "btc", "btr", "bts", "cmpxchg", "cmpxchg8b", "dec", "inc", "neg", "not", "or",
     "sbb", "sub", "xor", "xadd", "xchg")
)  # fmt: skip
#: Moves of 16 bytes from anywhere, and scalars that the disassembler takes for whole vectors.
_ANY_ADDRESS = frozenset(("movups", "movupd", "movdqu", "lddqu", "comisd", "ucomisd"))
#: What follows 0F, but for MPX and what leads on to a third byte.
_TWO_BYTES = [op for op in range(0x10, 256) if op not in (0x1A, 0x1B, 0x38, 0x3A)]
_PREFIX = {PS: b"", PD: b"\x66", SS: b"\xf3", SD: b"\xf2"}


@pytest.fixture(scope="module")
def disassembler() -> capstone.Cs:
    found = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
    found.detail = True
    return found


def classify(code: bytes) -> int:
    return kinds.classify(lambda at: code[at] if at < len(code) else -1, 0)


def opcodes() -> Iterator[bytes]:
    """Every opcode with a register and with an address, and each ModRM.reg."""
    prefixes = {*range(0x26, 0x3F, 8), *range(0x64, 0x68), 0xF0, 0xF2, 0xF3, 0x0F}
    for escape in (b"", b"\x0f"):
        for opcode in range(256):
            if not escape and opcode in prefixes:
                continue
            for digit in range(8):
                for modrm in (0x03, 0xC1):
                    yield escape + bytes((opcode, modrm | digit << 3)) + _TAIL


def test_what_can_be_its_own_successor(disassembler: capstone.Cs) -> None:
    for code in opcodes():
        found = next(disassembler.disasm(code, 0), None)
        if found is None or found.mnemonic in ("xabort", "xbegin"):
            continue
        ends = any(map(found.group, _BRANCHES)) and code[0] not in (0xCC, 0xCD, 0xCE)
        ends |= code[0] in range(0xE0, 0xE4)
        if code[:1] == b"\x0f" and code[1] not in range(0x80, 0x90):
            ends = False  # SYSENTER and its like
        for prefix in (b"", b"\x66", b"\x2e\xf3"):
            whole = prefix + code
            assert kinds.transfers(lambda at, w=whole: w[at], 0) == ends, whole.hex()


def test_what_may_be_locked(disassembler: capstone.Cs) -> None:
    for code in opcodes():
        found = next(disassembler.disasm(code, 0), None)
        if found is None or code[0] == 0x82:
            continue
        memory = bool(found.operands) and found.operands[0].type == x86.X86_OP_MEM
        allowed = found.mnemonic in _LOCKABLE and memory
        # XCHG and TEST have no direction: the memory operand is the destination.
        kind = classify(b"\xf0" + code)
        assert (kind != hooks.KIND_UNDEFINED) == allowed, code.hex()
        neg = found.mnemonic == "neg"
        assert not allowed or (kind == hooks.KIND_EMULATED) == neg, code.hex()
        eight = found.mnemonic == "cmpxchg8b"
        assert not allowed or (kind == hooks.KIND_READS_FLAGS) == eight, code.hex()


def expected(found: capstone.CsInsn, code: bytes) -> int:
    """By name, as the SDM describes each."""
    name = str(found.mnemonic)
    if name in ("in", "out"):
        return hooks.KIND_IO
    if name.removeprefix("rep ") in ("insb", "insd", "outsb", "outsd") or name in (
        "rdtsc",
        "rdpmc",
    ):
        return hooks.KIND_EMULATED
    if name == "iretd":
        return hooks.KIND_IRET
    if (
        name in ("clts", "lgdt", "lidt", "sgdt", "sidt", "smsw", "lmsw", "invlpg", "mov")
        and code[0] == 0x0F
    ):
        return hooks.KIND_SYSTEM if code[1] in (0x01, 0x06, 0x22, 0x23) else 0
    if name == "cmpxchg8b":
        return hooks.KIND_READS_FLAGS
    if name in ("fcomi", "fcompi", "fucomi", "fucompi"):
        return hooks.KIND_X87 | hooks.KIND_CLEARS_FLAGS
    if name[0] == "f" and name != "femms":
        return hooks.KIND_X87
    return 0


def test_what_is_looked_at(disassembler: capstone.Cs) -> None:
    aliases = {0xF6: 1, 0xF7: 1}
    for code in opcodes():
        digit = code[1 + (code[0] == 0x0F)] >> 3 & 7
        if code[0] in range(0xD8, 0xE0) or code[0] == 0x9B:
            kind = hooks.KIND_X87
            if code[0] in (0xDB, 0xDF) and 0xE8 <= code[1] < 0xF8:
                kind |= hooks.KIND_CLEARS_FLAGS
            assert classify(code) == kind
        elif aliases.get(code[0]) == digit:
            assert classify(code) == hooks.KIND_EMULATED
        elif code[0] == 0x8F and digit:
            assert classify(code) == hooks.KIND_UNDEFINED
        elif code[0] in (0xC4, 0xC5):
            assert classify(code) == (hooks.KIND_UNDEFINED if code[1] >= 0xC0 else 0)
        elif code[:1] == b"\x0f" and code[1] in (0x20, 0x22) and digit in (1, 5, 6, 7):
            assert classify(code) == hooks.KIND_UNDEFINED
        elif code[0] != 0x0F or code[1] in (0x06, 0x20, 0x21, 0x22, 0x23, 0x31, 0x33, 0xC7):
            found = next(disassembler.disasm(code, 0), None)
            if found is not None and (code[0] != 0x0F or code[1] != 0xC7 or digit == 1):
                assert classify(code) == expected(found, code), code.hex()


def test_repeated_strings() -> None:
    for opcode in range(256):
        for prefix in (0xF2, 0xF3):
            strings = opcode in (0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF)
            kind = classify(bytes((prefix, opcode, 0x03)) + _TAIL)
            assert (kind == hooks.KIND_REP) == strings, hex(opcode)


def test_the_end_of_what_is_mapped() -> None:
    for code in (
        "",
        "66",
        "f0",
        "0f",
        "f0f6",
        "f0",
        "db",
        "c4",
        "8f",
        "f6",
        "f00f",
        "0f20",
        "0fae",
    ):
        assert classify(bytes.fromhex(code)) in (0, hooks.KIND_X87)
    assert classify(b"\x66" * 14 + b"\xcf") == hooks.KIND_IRET
    assert classify(b"\x66" * 15 + b"\xcf") == 0


def test_vector_operands_that_must_be_aligned(disassembler: capstone.Cs) -> None:
    """16 bytes of memory, but for the moves that say otherwise (SDM vol. 1, 11.4.1)."""
    for op in _TWO_BYTES:
        for form, prefix in _PREFIX.items():
            code = prefix + bytes((0x0F, op, 0x03, 0, 0, 0, 0))
            found = next(disassembler.disasm(code, 0), None)
            sizes = [o.size for o in found.operands if o.type == x86.X86_OP_MEM] if found else []
            aligned = sizes == [16] and found.mnemonic not in _ANY_ADDRESS
            assert ((op, form) in forms.ALIGNED) == aligned, (code.hex(), found)
            store = found is not None and found.mnemonic in _ANY_ADDRESS and op in (0x11, 0x7F)
            assert ((op, form) in forms.UNALIGNED_STORES) == store, code.hex()


def test_what_works_on_mmx_registers(disassembler: capstone.Cs) -> None:
    for op in _TWO_BYTES:
        for form, prefix in _PREFIX.items():
            for modrm in (0x03, 0xC1, 0xD1):
                code = prefix + bytes((0x0F, op, modrm, 0, 0, 0, 0))
                found = next(disassembler.disasm(code, 0), None)
                if found is None:
                    continue
                names = [found.reg_name(o.reg) for o in found.operands if o.type == x86.X86_OP_REG]
                mmx = any(str(name).startswith("mm") for name in names)
                mmx |= found.mnemonic == "emms"
                assert forms.uses_mmx(op, form, modrm) == mmx, (code.hex(), found)
                looked_at = op in OPERATIONS or forms.is_form(op, modrm)
                assert looked_at or not mmx
