"""What the timing rules are told of an instruction, for every opcode, ModRM form and prefix.

As a disassembler has it; and Intel's manual (SDM vol. 2) where that one's lists have gaps.
"""

from __future__ import annotations

from collections.abc import Iterator

import capstone
import pytest
from capstone import x86

from emu.timing.decode import AT_BIT, AT_EBP, AT_MODRM, AT_POP, AT_PUSH, AT_XLAT, Decoded, decode
from emu.timing.instruction_bytes import NO_REGISTER
from emu.timing.opcodes import ONE_BYTE, TWO_BYTE
from emu.timing.uses import EAX, EBP, EBX, ECX, EDX, ESP

READ, WRITE, BOTH = 1, 2, 3
_BODY = bytes.fromhex("5e1182334455667788")
_WIDE = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
_LOW = ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh")
_FULL = {name: 1 << n for n, wide in enumerate(_WIDE) for name in (wide, wide[1:])}
_BYTE = {name: 1 << (n & 3) for n, name in enumerate(_LOW)}
_SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
#: The disassembler's name, without the letter of a size, where it is another.
_NAMES = {
    "lcall": "callf", "ljmp": "jmpf", "wait": "fwait", "cbw": "cwde", "cwd": "cdq", "sal": "shl",
    "pause": "nop", "xlatb": "xlat", "jcxz": "jecxz", "pushaw": "pusha", "pushal": "pusha",
    "wbnoinvd": "wbinvd", "popaw": "popa", "popal": "popa", "pushfd": "pushf", "popfd": "popf",
    "iretd": "iret",
    "tzcnt": "bsf", "lzcnt": "bsr",
}  # fmt: skip
_STRING_NAMES = frozenset(
    f"{name}{size}" for name in ("movs", "cmps", "stos", "lods", "scas", "ins", "outs") for size in "bwd"
)  # fmt: skip
_POPPED = ("fadd", "fmul", "fsub", "fsubr", "fdiv", "fdivr")
_CONDITIONS = (
    "o",
    "no",
    "b",
    "ae",
    "e",
    "ne",
    "be",
    "a",
    "s",
    "ns",
    "p",
    "np",
    "l",
    "ge",
    "le",
    "g",
)
_STRING_IO = ("insb", "insv", "outsb", "outsv")
#: No register form, or bytes that mean something newer; an undefined opcode is not charged.
_MEMORY_ONLY = frozenset(
    ("lds", "les", "lss", "lfs", "lgs", "bound", "sgdt", "sidt", "lgdt", "lidt", "invlpg", "cmpxchg8b")
)  # fmt: skip
#: How the memory operand is used where the disassembler says another thing.
_USE = {
    **dict.fromkeys(("rol", "ror", "rcl", "rcr", "shl", "cmpxchg", "cmpxchg8b", "arpl"), BOTH),
    **dict.fromkeys(("setcc", "fist", "fistp", "fst", "fstp", "fnstcw", "fnsave"), WRITE),
    **dict.fromkeys(("test", "cmps", "frstor"), READ),
}
_SIZE = {"fnsave": 108, "frstor": 108}
_FAR_POINTER = frozenset(("callf", "jmpf", "lds", "les", "lss", "lfs", "lgs"))
_NO_ACCESS = frozenset(("lea", "invlpg", *_STRING_IO))


def forms() -> Iterator[bytes]:
    """Every opcode with a register, three addresses and the prefixes that change an operand."""
    for table, escape in ((ONE_BYTE, b""), (TWO_BYTE, b"\x0f")):
        for (opcode, digit), (name, operands) in sorted(table.items()):
            if name == "prefix":
                continue
            digits = range(8) if name == "x87" else (digit,) if digit >= 0 else (3, 4)
            modrms = (0xC1, 0xC6, 0x03, 0x44, 0x85) if name == "x87" or operands else (0xC1,)
            for prefix in (b"", b"\x66", b"\x67", b"\xf3", b"\x64"):
                for n in digits:
                    for modrm in modrms:
                        yield prefix + escape + bytes((opcode, modrm | n << 3)) + _BODY


def _disassembler() -> capstone.Cs:
    found = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
    found.detail = True
    return found


@pytest.fixture(scope="module")
def pairs() -> list[tuple[bytes, Decoded, capstone.CsInsn]]:
    """What both know."""
    disassembler = _disassembler()
    found = []
    for code in dict.fromkeys(forms()):
        ours, theirs = decode(code), next(disassembler.disasm(code, 0), None)
        if ours is None or theirs is None or theirs.mnemonic.startswith("v"):
            continue
        if ours.mnemonic in _MEMORY_ONLY and "m" not in ours.operands:
            continue
        found.append((code, ours, theirs))
    assert len(found) > 9000
    return found


def _name(theirs: capstone.CsInsn) -> str:
    name = str(theirs.mnemonic).split()[-1]
    if name in _STRING_NAMES:
        return name[:4] if name[0] not in "io" else name[:-1] + "bv"[name[-1] != "b"]
    for group in ("j", "set", "cmov"):
        if name.removeprefix(group) in _CONDITIONS and name.startswith(group):
            return f"{group}cc"
    if name[0] == "f" and name[-1] == "p" and name[:-1] in _POPPED:
        return name[:-1]
    return _NAMES.get(name, name)


def test_names_and_lengths(pairs: list[tuple[bytes, Decoded, capstone.CsInsn]]) -> None:
    for code, ours, theirs in pairs:
        assert ours.length == theirs.size, code.hex()
        far = ours.mnemonic in ("callf", "jmpf") and ours.mnemonic[:-1] == theirs.mnemonic
        assert ours.mnemonic == _name(theirs) + "f" * far, code.hex()


def test_addresses(pairs: list[tuple[bytes, Decoded, capstone.CsInsn]]) -> None:
    for code, ours, theirs in pairs:
        assert ours.address16 == (code[:1] == b"\x67")
        assert ours.rep == (
            code[:1] == b"\xf3" and (ours.mnemonic[0] != "f" or ours.mnemonic == "fwait")
        )
        assert ours.prefixes == (code[0] in (0x66, 0x67, 0x64))
        memory = [o.mem for o in theirs.operands if o.type == x86.X86_OP_MEM]
        if not ours.memory:
            continue
        assert len(memory) == 1, code.hex()
        (m,) = memory
        base, index = (
            _FULL.get(theirs.reg_name(n) or "", 0).bit_length() - 1 for n in (m.base, m.index)
        )
        bits = 16 if ours.address16 else 32
        popped = ours.size if ours.mnemonic == "pop" and base == 4 else 0
        places = (ours.base, ours.index, (ours.displacement - popped) & (1 << bits) - 1)
        assert places == (
            *(NO_REGISTER if n < 0 else n for n in (base, index)),
            m.disp & (1 << bits) - 1,
        ), code.hex()
        assert ours.scale == m.scale
        override = theirs.reg_name(m.segment) if m.segment else "ss" if base in (4, 5) else "ds"
        assert _SEGMENTS[ours.segment] == override, code.hex()
        assert ours.has_index == (index >= 0)
        e = theirs.encoding
        assert ours.has_displacement == bool(e.disp_size) or "o" in ours.operands, code.hex()
        if "o" not in ours.operands and ours.mnemonic[0] != "f":
            assert ours.displacement_size == e.disp_size
            assert ours.head == e.disp_offset or not e.disp_size


def test_immediates_and_components(pairs: list[tuple[bytes, Decoded, capstone.CsInsn]]) -> None:
    """An 80386 takes a clock for each component of the instruction that it jumps to."""
    for code, ours, theirs in pairs:
        e = theirs.encoding
        if ours.mnemonic in ("enter", "callf", "jmpf") or "o" in ours.operands:
            continue  # of which the disassembler tells but one
        parts = bool(e.modrm_offset) + bool(e.disp_size) + bool(e.imm_size)
        parts += bool(e.modrm_offset) and theirs.sib_base + theirs.sib_index + theirs.sib_scale > 0
        opcode = 2 if theirs.opcode[0] == 0x0F else 1
        prefix = code[0] in (0x66, 0x67, 0xF3, 0x64)
        assert ours.components == parts + opcode + prefix, code.hex()
        immediate = e.imm_size if not theirs.group(capstone.CS_GRP_BRANCH_RELATIVE) else 0
        assert ours.has_immediate == bool(immediate), code.hex()
        if immediate:
            assert ours.immediate_size == immediate, code.hex()
            value = code[e.imm_offset : e.imm_offset + immediate]
            assert ours.immediate == int.from_bytes(value, "little", signed=True), code.hex()


def test_memory_operands(pairs: list[tuple[bytes, Decoded, capstone.CsInsn]]) -> None:
    for code, ours, theirs in pairs:
        found = [
            (a.use, a.size) for a in ours.accesses if a.where not in (AT_PUSH, AT_POP, AT_EBP, AT_XLAT)
        ]  # fmt: skip
        expected = []
        for o in theirs.operands:
            if o.type == x86.X86_OP_MEM and ours.mnemonic not in _NO_ACCESS:
                use = _USE.get(ours.mnemonic, o.access)
                size = _SIZE.get(ours.mnemonic, o.size)
                if ours.mnemonic in _FAR_POINTER:
                    size = 4 if code[0] == 0x66 else 6
                expected.append((use, size))
        assert sorted(found) == sorted(expected), (code.hex(), ours.mnemonic)
        strings = code[:1] in (b"\x0f", b"\x66", b"\x67", b"\xf3", b"\x64")
        bits = ours.mnemonic in ("bt", "bts", "btr", "btc") and ours.operands[1] == "r"
        assert strings or all((a.where == AT_BIT) == bits for a in ours.accesses)


def test_registers(pairs: list[tuple[bytes, Decoded, capstone.CsInsn]]) -> None:
    for code, ours, theirs in pairs:
        if ours.mnemonic in _LISTED_NAMES:
            continue
        read, written = ([theirs.reg_name(n) for n in side] for side in theirs.regs_access())
        reads = _bits(_FULL, read)
        writes = _bits(_FULL, written)
        if ours.mnemonic in _IMPLICIT_STACK:
            reads, writes = reads | ESP, writes & ~ESP
        assert ours.reads == reads, code.hex()
        assert ours.writes == writes, code.hex()
        assert ours.byte_writes == _bits(_BYTE, written), code.hex()


def _bits(table: dict[str, int], names: list[str]) -> int:
    found = 0
    for name in names:
        found |= table.get(name, 0)
    return found


_IMPLICIT_STACK = frozenset(
    ("push", "pusha", "pushf", "popf", "call", "callf", "ret", "retf", "iret")
)


#: Of those that the disassembler does not know whole, by bytes: registers read, written, and written in part.
_LISTED = {
    "37": (EAX, EAX, 0), "3f": (EAX, EAX, 0), "d40a": (EAX, EAX, 0), "d50a": (EAX, EAX, 0),
    "27": (0, 0, EAX), "2f": (0, 0, EAX), "d7": (EBX, 0, EAX),
    "63d9": (EBX | ECX, ECX, 0), "6314b5": (0x40 | EDX, 0, 0), "620b": (EBX | ECX, 0, 0),
    "0fc9": (ECX, ECX, 0), "660fcb": (EBX, EBX, 0), "0f40d9": (EBX | ECX, EBX, 0),
    "0f450b": (EBX | ECX, ECX, 0), "0fb1d9": (EAX | EBX | ECX, EAX | ECX, 0),
    "0fb10b": (EAX | EBX | ECX, EAX, 0), "0fb0cb": (0, 0, EAX | EBX), "0fb00b": (EBX, 0, EAX),
    "0fa2": (EAX, 0xF, 0), "c8080001": (ESP | EBP, EBP, 0), "c9": (EBP, EBP, 0),
    "8f03": (EBX | ESP, 0, 0), "8f442404": (ESP, 0, 0), "58": (ESP, EAX, 0), "5c": (ESP, ESP, 0),
    "07": (ESP, 0, 0), "8fc1": (ESP, ECX, 0), "61": (ESP, 0xEF, 0), "0fa9": (ESP, 0, 0),
    "f6f1": (EAX, EAX, 0), "f7f1": (EAX | ECX | EDX, EAX | EDX, 0), "f633": (EAX | EBX, EAX, 0),
    "f7fb": (EAX | EBX | EDX, EAX | EDX, 0), "f6fc": (EAX, EAX, 0), "f6e1": (0, EAX, 0),
    "f6eb": (0, EAX, 0), "f7e1": (EAX | ECX, EAX | EDX, 0), "f72b": (EAX | EBX, EAX | EDX, 0),
    "0fafcb": (EBX | ECX, ECX, 0), "6bcb05": (EBX, ECX, 0), "69cb00010000": (EBX, ECX, 0),
    "85cb": (EBX | ECX, 0, 0), "84cb": (0, 0, 0), "850b": (EBX | ECX, 0, 0), "a901000000": (EAX, 0, 0),
    "a801": (0, 0, 0), "c50b": (EBX, ECX, 0), "0fb44b04": (EBX, ECX, 0), "0f0003": (EBX, 0, 0),
    "0f00c1": (0, ECX, 0), "0f00d1": (ECX, 0, 0), "0f01e1": (0, ECX, 0), "0f01f1": (ECX, 0, 0),
    "0f010b": (EBX, 0, 0), "0f0113": (EBX, 0, 0), "0f013b": (EBX, 0, 0), "6c": (0, 0, 0), "6e": (0, 0, 0),
    "0fc70b": (0xF, EAX | EDX, 0), "0f31": (0, EAX | EDX, 0), "98": (EAX, EAX, 0), "6698": (0, EAX, 0),
    "99": (EAX, EAX | EDX, 0), "9f": (0, 0, EAX), "cf": (ESP, 0, 0), "cb": (ESP, 0, 0),
    "ac": (0x40, 0x40, EAX), "ad": (0x40, 0x41, 0), "aa": (0x80, 0x80, 0), "ab": (0x81, 0x80, 0),
    "ae": (0x80, 0x80, 0), "af": (0x81, 0x80, 0), "f3aa": (0x82, 0x82, 0), "f3a5": (0xC2, 0xC2, 0),
    "f2ae": (0x82, 0x82, 0), "e2fe": (ECX, ECX, 0), "e3fe": (ECX, 0, 0), "dfe0": (0, EAX, 0),
    "d80cb3": (EBX | 0x40, 0, 0), "d9c1": (0, 0, 0),
}  # fmt: skip
_LISTED_NAMES = frozenset(
    ("aaa", "aas", "aam", "aad", "daa", "das", "xlat", "arpl", "bound", "bswap", "cmovcc", "cmpxchg", "cpuid",
     "enter", "leave", "pop", "popa", "mul", "imul", "div", "idiv", "test", *_MEMORY_ONLY, *_STRING_IO)
)  # fmt: skip


@pytest.mark.parametrize("code", _LISTED)
def test_registers_by_the_manual(code: str) -> None:
    found = decode(bytes.fromhex(code) + (_BODY if code == "6314b5" else b""))
    assert found is not None
    assert (found.reads, found.writes, found.byte_writes) == _LISTED[code]


@pytest.mark.parametrize(
    ("code", "accesses"),
    [
        ("50", [(AT_PUSH, WRITE, 4)]), ("6650", [(AT_PUSH, WRITE, 2)]), ("06", [(AT_PUSH, WRITE, 4)]),
        ("58", [(AT_POP, READ, 4)]), ("6658", [(AT_POP, READ, 2)]), ("9c", [(AT_PUSH, WRITE, 4)]),
        ("9d", [(AT_POP, READ, 4)]), ("60", [(AT_PUSH, WRITE, 32)]), ("6660", [(AT_PUSH, WRITE, 16)]),
        ("61", [(AT_POP, READ, 32)]), ("e800000000", [(AT_PUSH, WRITE, 4)]), ("c3", [(AT_POP, READ, 4)]),
        ("c20400", [(AT_POP, READ, 4)]), ("9a000000000800", [(AT_PUSH, WRITE, 8)]),
        ("cb", [(AT_POP, READ, 8)]), ("c8000000", [(AT_PUSH, WRITE, 4)]), ("c9", [(AT_EBP, READ, 4)]),
        ("66c9", [(AT_EBP, READ, 2)]), ("d7", [(AT_XLAT, READ, 1)]), ("cf", []),
        ("ff33", [(AT_MODRM, READ, 4), (AT_PUSH, WRITE, 4)]),
        ("8f03", [(AT_MODRM, WRITE, 4), (AT_POP, READ, 4)]),
        ("ff13", [(AT_MODRM, READ, 4), (AT_PUSH, WRITE, 4)]),
        ("ff1b", [(AT_MODRM, READ, 6), (AT_PUSH, WRITE, 8)]),
        ("0fab0b", [(AT_BIT, BOTH, 4)]), ("0fba2b05", [(AT_MODRM, BOTH, 4)]), ("0fa30b", [(AT_BIT, READ, 4)]),
    ],
)  # fmt: skip
def test_accesses_by_the_manual(code: str, accesses: list[tuple[int, int, int]]) -> None:
    found = decode(bytes.fromhex(code))
    assert found is not None
    assert [tuple(access) for access in found.accesses] == accesses
