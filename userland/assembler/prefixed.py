"""What stands around a mnemonic: prefixes as words, {disp32}, operands of string instructions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from .errors import Problem
from .expressions import Modified, Name, Node, Number
from .instructions import SEGMENT_PREFIX, Encoded
from .mnemonics import SIZED
from .operands import GENERAL, Imm, Mem, Operand, Reg, Star

#: Prefixes that are no part of the instruction's encoding here, in the order in which gas writes them.
OTHER_PREFIXES: Final = {
    **SEGMENT_PREFIX, "notrack": 0x3E, "addr16": 0x67, "addr32": 0x67, "data16": 0x66, "data32": 0x66,
    "bnd": 0xF2,
}  # fmt: skip
_PSEUDO: Final = re.compile(r"\{\s*(\w+)\s*\}\s*")
_PSEUDO_WORDS: Final = frozenset(("disp32", "disp8", "load", "store"))
_OLD_SUFFIXES: Final = {"d8": "disp8", "d32": "disp32", "s": "load"}
_STRING: Final = re.compile(r"(movs|cmps|stos|lods|scas|ins|outs)([bwl]?)")
#: What a REP stands before beside string instructions: `rep bsf` is tzcnt to a newer CPU.
_REPEATABLE: Final = re.compile(r"(ret|bsf|bsr)[wl]?|nop")
_SIZES: Final = {"b": "al", "w": "ax", "l": "eax"}
#: Stands for a displacement that is to have 4 bytes.
_WIDE: Final = Name("\x04wide")


def pseudo_prefixes(text: str) -> tuple[list[str], str]:
    """The words in braces at the start, and the rest. Raises Problem."""
    words = []
    match = _PSEUDO.match(text)
    while match:
        if match.group(1) not in _PSEUDO_WORDS:
            raise Problem(f"`{{{match.group(1)}}}' is not supported")
        words.append(match.group(1))
        text = text[match.end() :]
        match = _PSEUDO.match(text)
    return words, text


def old_suffix(name: str, pseudo: Sequence[str]) -> tuple[str, Sequence[str]]:
    """`mov.d32`, the older way of writing `{disp32} mov`, and `.s` that of `{load}`."""
    if "." not in name:
        return name, pseudo
    stem, _, word = name.rpartition(".")
    meant = _OLD_SUFFIXES.get(word)
    return (name, pseudo) if meant is None else (stem, [*pseudo, meant])


@dataclass(frozen=True)
class Words:
    """The prefixes of one instruction by kind: those the encoder places, and bytes in gas's order. `data` is
    the operand size that one of them asks for, `address` the bits of addresses."""

    plain: list[str]
    segment: bytes
    size: bytes
    repeat: bytes
    data: str | None = None
    address: int | None = None

    def without_data(self) -> Words:
        """The same, of an instruction that has that size by itself."""
        return replace(self, size=self.size.replace(b"\x66", b""), data=None)


def sort_prefixes(names: list[str], mnemonic: str, bits: int) -> Words:
    """The prefixes of an instruction of code of that many bits; Problem for what cannot be combined."""
    plain, segment, size, repeat = [], b"", b"", b""
    data, address = None, None
    for name in names:
        if name in SEGMENT_PREFIX or name == "notrack":
            if segment:
                raise Problem(f"prefixes `{' '.join(names)}' cannot be combined")
            segment = bytes([OTHER_PREFIXES[name]])
        elif name in ("addr16", "data16", "addr32", "data32"):
            if name.endswith(str(bits)):
                raise Problem(f"redundant {name} prefix")
            if OTHER_PREFIXES[name] in size:
                raise Problem(f"two {name} prefixes")
            size += bytes([OTHER_PREFIXES[name]])
            data = {"data16": "w", "data32": "l"}.get(name, data)
            address = {"addr16": 16, "addr32": 32}.get(name, address)
        elif name == "bnd" or (name.startswith("rep") and _REPEATABLE.fullmatch(mnemonic)):
            repeat = b"\xf2" if name in ("bnd", "repne", "repnz") else b"\xf3"
        else:
            plain.append(name)
    return Words(plain, segment, bytes(sorted(size, reverse=True)), repeat, data, address)


def add_prefixes(encoded: Encoded, words: Words, sized: bool = False) -> Encoded:
    """The instruction with the prefixes before it; `sized` when one of them gave it its size. Raises Problem
    for a prefix that it has already."""
    data = encoded.data
    wait = b"\x9b" if data[:1] == b"\x9b" and len(data) > 1 else b""  # stands before all others
    own = re.match(rb"[\x26\x2e\x36\x3e\x64-\x67]*", data[len(wait) :])
    there = own.group() if own is not None else b""
    segment = bytes(byte for byte in there if byte in SEGMENT_PREFIX.values())
    if (0x66 in words.size and 0x66 in there and not sized) or (
        words.segment and segment and words.segment != segment
    ):
        raise Problem("same type of prefix used twice")
    if encoded.branch is not None or not (words.segment or words.size or words.repeat):
        return encoded
    sizes = {*words.size, *(byte for byte in there if byte in (0x66, 0x67))}
    front = (words.segment or segment) + bytes(sorted(sizes, reverse=True)) + words.repeat
    grown = len(front) - len(there)
    fixes = tuple(replace(fix, offset=fix.offset + grown) for fix in encoded.fixes)
    return Encoded(wait + front + data[len(wait) + len(there) :], fixes)


def string_operands(
    mnemonic: str, operands: list[Operand], bits: int
) -> tuple[str, list[Operand], list[str]]:
    """A string instruction without its written operands, and the prefixes they mean.

    Others come back as they are. Raises Problem for operands it cannot have."""
    places = [o.base for o in operands if isinstance(o, Mem) and o.base not in (None, "dx")]
    short = all(base in ("si", "di", "bx") for base in places)
    width = 16 if places and short else 32
    words = [f"addr{width}"] if places and width != bits else []
    if places and short:
        wide = [replace(o, base=f"e{o.base}") if isinstance(o, Mem) and o.base in places else o
                for o in operands]  # fmt: skip
    else:
        wide = operands
    name, left, segment = _string(mnemonic, wide)
    if left is wide or (left and any(isinstance(o, Mem) for o in left)):
        return mnemonic, counted(mnemonic, operands), []
    return name, left, [*([segment] if segment else []), *words]


def _string(mnemonic: str, operands: list[Operand]) -> tuple[str, list[Operand], str | None]:
    match = _STRING.fullmatch(mnemonic)
    if mnemonic in ("xlat", "xlatb") and len(operands) == 1 and isinstance(operands[0], Mem):
        if operands[0].base != "ebx" or operands[0].index or operands[0].displacement:
            raise Problem("`xlat' goes through (%ebx)")
        return mnemonic, [], operands[0].segment
    if match is None or not operands or not any(isinstance(o, Mem) for o in operands):
        return mnemonic, operands, None
    base, suffix = match.groups()
    if base in ("ins", "outs") and len(operands) != 2:
        raise Problem(f"`{mnemonic}' takes its address and %dx, or no operands")
    if base == "movs" and not all(isinstance(o, Mem) for o in operands):
        return mnemonic, operands, None
    segment = None
    ports = base in ("ins", "outs")
    for operand in operands:
        if (
            isinstance(operand, Reg)
            and operand.name in _SIZES.values()
            and base in ("stos", "lods", "scas")
        ):
            letter = GENERAL[operand.name]
            if suffix not in ("", letter):
                raise Problem(f"incorrect register `%{operand.name}' used with `{suffix}' suffix")
            suffix = letter
        elif isinstance(operand, Reg) and operand.name == "dx" and ports:
            continue
        elif (
            isinstance(operand, Mem)
            and not operand.index
            and operand.displacement in (None, Number(0))
        ):
            if operand.base == "edi" and base not in ("lods", "outs"):
                if operand.segment not in (None, "es"):
                    raise Problem(f"the destination of `{mnemonic}' is in %es, always")
            elif operand.base == "esi" and base not in ("stos", "scas", "ins"):
                segment = operand.segment if operand.segment != "ds" else None
            elif not (operand.base == "dx" and ports):
                raise Problem(f"`{mnemonic}' goes through (%esi) and %es:(%edi)")
        else:
            raise Problem(f"`{mnemonic}' goes through (%esi) and %es:(%edi)")
    order = [o.base for o in operands if isinstance(o, Mem) and o.base in ("esi", "edi")]
    wanted = {"movs": ["esi", "edi"], "cmps": ["edi", "esi"]}.get(base)
    if wanted is not None and order != wanted:
        raise Problem(f"the operands of `{mnemonic}' are the other way round")
    if not suffix:
        raise Problem(
            f"nothing gives the size of `{mnemonic}'", f"write {base}b, {base}w or {base}l"
        )
    return base + suffix, [], segment


def widen(operands: list[Operand]) -> tuple[list[Operand], Node | None]:
    """The operands with a displacement of 4 bytes, and what it is in truth; None when none has an address."""
    memory = _memory(operands)
    if memory is None:
        return operands, None
    return _displaced(operands, _WIDE), memory.displacement or Number(0)


def lengthen(encode: Callable[[list[Operand]], Encoded], operands: list[Operand]) -> Encoded | None:
    """With a displacement of 1 byte that is 0; None for an address that has none to lengthen. `encode` has no
    word for that: the byte is where two others differ."""
    memory = _memory(operands)
    if memory is None or memory.base is None or memory.displacement not in (None, Number(0)):
        return None
    one, two = (encode(_displaced(operands, Number(value))) for value in (1, 2))
    same = zip(one.data, two.data, strict=True)
    return replace(one, data=bytes(a if a == b else 0 for a, b in same))


def _memory(operands: list[Operand]) -> Mem | None:
    targets = (o.target if isinstance(o, Star) else o for o in operands)
    return next((target for target in targets if isinstance(target, Mem)), None)


def _displaced(operands: list[Operand], displacement: Node) -> list[Operand]:
    changed: list[Operand] = []
    for operand in operands:
        if isinstance(operand, Mem):
            changed.append(replace(operand, displacement=displacement))
        elif isinstance(operand, Star) and isinstance(operand.target, Mem):
            changed.append(Star(replace(operand.target, displacement=displacement)))
        else:
            changed.append(operand)
    return changed


def without_call(operands: list[Operand]) -> tuple[list[Operand], Node | None]:
    """The operands without `x@TLSCALL`, which marks a call through a register and has no field; and that."""
    star = operands[0] if len(operands) == 1 else None
    memory = star.target if isinstance(star, Star) else None
    mark = memory.displacement if isinstance(memory, Mem) else None
    if not isinstance(memory, Mem) or not isinstance(mark, Modified) or mark.kind != "TLSCALL":
        return operands, None
    return [Star(replace(memory, displacement=None))], mark


def narrow(encoded: Encoded, truth: Node) -> Encoded:
    """Put the true displacement in after `widen`."""
    fixes = tuple(replace(f, value=truth) if f.value == _WIDE else f for f in encoded.fixes)
    return replace(encoded, fixes=fixes)


def other_direction(encoded: Encoded, operands: list[Operand]) -> Encoded:
    """The form `{load}` asks for, of an instruction between two registers that has both."""
    if len(operands) != 2 or not all(isinstance(o, Reg) for o in operands):
        return encoded
    data = bytearray(encoded.data)
    at = 1 if data[0] == 0x66 else 0
    opcode = data[at]
    if len(data) == at + 2 and (opcode in (0x88, 0x89) or (opcode < 0x40 and opcode & 6 == 0)):
        modrm = data[at + 1]
        data[at] = opcode | 2
        data[at + 1] = 0xC0 | (modrm & 7) << 3 | modrm >> 3 & 7
    return replace(encoded, data=bytes(data))


def default_suffix(mnemonic: str, operands: list[Operand], bits: int) -> str:
    """gas's default for an instruction on memory without a size, mostly with a warning: `s` for an x87 one,
    else that of the code; of a `movsx`, a byte. With `bits` 0 the syntax is Intel's, and only x87 has one."""
    memory = [operand for operand in operands if isinstance(operand, Mem)]
    if len(memory) != 1:
        return mnemonic
    if not bits:
        return mnemonic
    if len(operands) == 1 and _X87.fullmatch(mnemonic):
        return mnemonic + "s"
    spec = SIZED.get(mnemonic)
    counts = (Reg("cl"),) if spec is not None and spec.kind == "shift" else ()
    others = [o for o in operands if not isinstance(o, (Mem, Imm)) and o not in counts]
    if spec is not None and spec.kind in _GUESSED and not others:
        return mnemonic + ("l" if bits == 32 else "w")
    if mnemonic in ("movsx", "movzx") and operands[0] is memory[0]:
        return mnemonic[:4] + "b"
    return mnemonic


_GUESSED: Final = frozenset(("general", "symmetric", "mov", "imul", "shift", "bit", "nop"))


_X87: Final = re.compile(r"f(i?(add|mul|subr?|divr?|comp?)|i?ld|i?stp?|isttp)")


def counted(mnemonic: str, operands: list[Operand]) -> list[Operand]:
    """`shrd %edx, %eax` shifts by %cl, which gcc leaves out; gas takes %ecx for it, and %edx for a port."""
    if len(operands) == 2 and mnemonic.startswith(("shrd", "shld")):
        return [Reg("cl"), *operands]
    if len(operands) > 1 and operands[0] == Reg("ecx") and _SHIFT.fullmatch(mnemonic):
        return [Reg("cl"), *operands[1:]]
    if _PORT.fullmatch(mnemonic) and Reg("edx") in operands:
        return [Reg("dx") if operand == Reg("edx") else operand for operand in operands]
    return operands


_SHIFT: Final = re.compile(r"(sh[lr]|sa[lr]|ro[lr]|rc[lr])l?")
_PORT: Final = re.compile(r"(in|out)[bwl]?")
