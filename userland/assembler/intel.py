"""Intel syntax (`.intel_syntax noprefix`) turned into the AT&T model."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .errors import Problem
from .expressions import Binary, Node, Number, Parser, Register, Unary, fold
from .intel_sizes import memory_size
from .operands import (
    FLOAT,
    GENERAL,
    REGISTERS,
    SEGMENTS,
    Far,
    Imm,
    Mem,
    Operand,
    Reg,
    Star,
    check_address,
)
from .source import split_operands

_SIZES: Final = {
    "byte": "b", "word": "w", "dword": "l", "fword": "f", "qword": "q", "tbyte": "t", "oword": "x",
    "xmmword": "x", "mmword": "q",
}  # fmt: skip
_SIZE: Final = re.compile(rf"({'|'.join(_SIZES)})\s+(ptr\b)\s*(?=\S)", re.I)
_NO_POINTER: Final = re.compile(rf"({'|'.join(_SIZES)})\b\s*(?!ptr\b)\S", re.I)
# gcc writes jmp [DWORD PTR table[0+eax*4]].
_BRACKETED: Final = re.compile(r"\[\s*(\w+\s+ptr\b[^\[\]]*\[[^\[\]]*\]\s*)\]", re.I)
_FAR_POINTER: Final = re.compile(r"far\s+ptr\b\s*(?=\S)", re.I)
_OFFSET: Final = re.compile(r"(?<![\w.$])offset\s+(?:flat\s*:\s*)?", re.I)
_FLAT: Final = re.compile(r"flat\s*:\s*", re.I)
_SEGMENT: Final = re.compile(r"(es|cs|ss|ds|fs|gs)\s*:\s*", re.I)
_NAMES: Final = {
    "iretd": "iret", "pushfd": "pushf", "popfd": "popf", "pushad": "pusha", "popad": "popa",
    "lodsd": "lodsl", "stosd": "stosl", "scasd": "scasl", "insd": "insl", "outsd": "outsl",
    "retf": "lret", "pushaw": "pushaw", "fcompi": "fcomip", "fucompi": "fucomip",
}  # fmt: skip
# The suffix that a memory size means, by family of x87 instruction.
_X87_FLOAT: Final = {"l": "s", "q": "l", "t": "t"}
_X87_INTEGER: Final = {"w": "s", "l": "l", "q": "ll"}
_X87_SIZED: Final = re.compile(r"f(i?(add|mul|subr?|divr?|comp?)|i?ld|i?stp?|isttp)")
_ATT_SUFFIX: Final = re.compile(rf"{_X87_SIZED.pattern}(s|ll?)")
_SUBTRACT: Final = re.compile(r"(fsub|fdiv)(r?)(p?)")
# What stands around jmp or call to memory of that size, in code of 32 or 16 bits: far ones have an l.
_THROUGH: Final = {
    (32, "w"): ("", "w"), (32, "l"): ("", ""), (32, "f"): ("l", ""), (32, "far"): ("l", ""),
    (16, "w"): ("", ""), (16, "l"): ("l", ""), (16, "f"): ("l", "l"), (16, "far"): ("l", ""),
}  # fmt: skip
_FAR: Final = {"jmp": "ljmp", "call": "lcall", "ljmp": "ljmp", "lcall": "lcall"}
_STRINGS: Final = frozenset(("movs", "cmps", "stos", "lods", "scas", "ins", "outs"))
_INDIRECT: Final = frozenset({"jmp", "call"})


@dataclass
class _Address:
    """An address being taken apart into registers and displacement."""

    registers: list[tuple[str, int, bool]]
    rest: Node | None


def _brackets(text: str) -> str:
    """`sym[eax+4][ebx]` as the sum `sym+(eax+4)+(ebx)`."""
    out: list[str] = []
    for char in text:
        if char == "[":
            before = "".join(out).rstrip()
            if before and before[-1] not in "+-*/(%|&^~!<>":
                out.append("+")
            out.append("(")
        elif char == "]":
            out.append(")")
        else:
            out.append(char)
    return "".join(out)


def _collect(node: Node) -> _Address:
    if isinstance(node, Register):
        return _Address([(node.name, 1, False)], None)
    if isinstance(node, Binary) and node.op in "+-":
        left, right = _collect(node.left), _collect(node.right)
        if node.op == "-" and right.registers:
            raise Problem("a register cannot be subtracted in an address")
        rest = left.rest
        if right.rest is not None:
            zero = Number(0)
            rest = (
                fold(Binary(node.op, rest or zero, right.rest))
                if rest or node.op == "-"
                else right.rest
            )
        return _Address(left.registers + right.registers, rest)
    if isinstance(node, Binary) and node.op == "*":
        for register, scale in ((node.left, node.right), (node.right, node.left)):
            if isinstance(register, Register):
                if not isinstance(scale, Number):
                    raise Problem("the scale of an index register must be a number")
                return _Address([(register.name, scale.value, True)], None)
    if _has_register(node):
        raise Problem("registers in an address are added, with a scale of 1, 2, 4 or 8")
    return _Address([], node)


def _has_register(node: Node) -> bool:
    if isinstance(node, Register):
        return True
    if isinstance(node, Unary):
        return _has_register(node.operand)
    return isinstance(node, Binary) and (_has_register(node.left) or _has_register(node.right))


def _memory(node: Node, segment: str | None) -> Mem:
    address = _collect(node)
    base = index = None
    scale = 1
    for name, factor, scaled in address.registers:
        if base is None and not scaled:
            base = name
        elif index is None:
            index, scale = name, factor
        elif base is None and factor == 1:
            base = name
        else:
            raise Problem("an address has at most a base and an index register")
    if index == "esp" and scale == 1 and base != "esp":
        base, index = index, base
    if base in ("si", "di") and index in ("bx", "bp") and scale == 1:
        base, index = index, base
    if base is None and index is not None and scale == 1 and not address.registers[0][2]:
        base, index = index, None
    check_address(base, index, scale)
    return Mem(address.rest, base, index, scale, segment)


def _parse_operand(
    text: str, bind: Callable[[Node], Node], branch: bool, prefixed: bool = False
) -> tuple[Operand, str | None]:
    """One operand and the size that a `ptr` gave it."""
    text = text.strip()
    if not text:
        raise Problem("missing operand")
    text = text.replace("%", "") if prefixed and "%" in text else text
    if text[0] == "%" or re.match(r"\$[\w(\[]", text):
        raise Problem(f"`{text}' has a `{text[0]}' prefix", "that is AT&T syntax; noprefix is on")
    size = None
    inner = _BRACKETED.fullmatch(text)
    if inner:
        text = inner.group(1)
    match = _SIZE.match(text)
    if match is None and _NO_POINTER.match(text):
        word = text.split("[")[0].split()[0]
        raise Problem(f"`{word}' without `ptr', which GNU as takes for a number that it adds",
                      f"write {word} ptr {text[len(word):].strip()}")  # fmt: skip
    if match:
        size = _SIZES[match.group(1).lower()]
        text = text[match.end() :]
    lowered = text.lower().replace(" ", "")
    if lowered == "st":
        lowered = "st(0)"
    if size is None and (lowered in REGISTERS or lowered in FLOAT):
        return Reg(lowered), None
    if branch and _FAR_POINTER.match(text):
        size, text = "far", _FAR_POINTER.sub("", text, count=1)
    elif branch:
        text = re.sub(
            r"(short|near\s+ptr)\s+", "", text, count=1, flags=re.I
        )  # gas: its own choice
        if text.lower().startswith("near "):
            raise Problem("`near' without `ptr'", "leave it out: the assembler chooses the size")
    without = _OFFSET.sub("", text)
    if without != text and size is None and "[" not in text:
        return Imm(bind(Parser(without, intel=True).parse())), None
    text = without
    segment = None
    text = _FLAT.sub("", text)
    match = _SEGMENT.match(text)
    if match:
        segment = match.group(1).lower()
        text = text[match.end() :]
    elif ":" in text:
        selector, _, target = text.partition(":")
        return Far(
            bind(Parser(selector, intel=True).parse()), bind(Parser(target, intel=True).parse())
        ), None  # fmt: skip
    bracketed = "[" in text
    node = Parser(_brackets(text), intel=True, registers=REGISTERS - set(SEGMENTS)).parse()
    node = _bind(node, bind)
    if not bracketed and _has_register(node):
        raise Problem(f"`{text}' uses a register outside brackets", "write [register+offset]")
    distance = not isinstance(node, Number) and _weight(node) == 0
    if not bracketed and segment is None and size is None and distance and not branch:
        return Imm(node), None
    if not bracketed and segment is None and isinstance(node, Number) and not branch:
        if size is not None:
            raise Problem(
                f"`ptr' before the number {text}", "write ds:NUMBER or [NUMBER] for memory"
            )
        return Imm(node), None
    memory = _memory(node, segment)
    if size == "far" and not (bracketed or segment):
        raise Problem(
            f"`far ptr {text}' does not say which segment", "write far ptr SELECTOR:LABEL"
        )
    if branch and (bracketed or size is not None or segment is not None):
        return Star(memory), size
    return memory, size


def _weight(node: Node) -> int:
    """How many addresses an expression adds up to: 0 for the distance of two."""
    if isinstance(node, Binary) and node.op in "+-":
        right = _weight(node.right)
        return _weight(node.left) + (right if node.op == "+" else -right)
    return 0 if isinstance(node, Number) else 1


def _bind(node: Node, bind: Callable[[Node], Node]) -> Node:
    if isinstance(node, Register):
        return node
    if isinstance(node, Binary):
        return fold(Binary(node.op, _bind(node.left, bind), _bind(node.right, bind)))
    if isinstance(node, Unary):
        return fold(Unary(node.op, _bind(node.operand, bind)))
    return bind(node)


def translate(
    mnemonic: str,
    text: str,
    bind: Callable[[Node], Node],
    knows: Callable[[str], bool],
    prefixed: bool = False,
    bits: int = 32,
) -> tuple[str, list[Operand]]:
    """The AT&T mnemonic and operands of one Intel-syntax instruction, already bound."""
    parts = split_operands(text) if text else []
    long = mnemonic[-1] == "l" and knows(mnemonic[:-1]) and not knows(mnemonic)
    if long or _ATT_SUFFIX.fullmatch(mnemonic):
        bare = mnemonic.rstrip("sl") if mnemonic[0] == "f" else mnemonic[:-1]
        raise Problem(
            f"`{mnemonic}' has a suffix of AT&T syntax", f"write {bare}, with dword ptr for a size"
        )
    branch = mnemonic[0] == "j" or mnemonic in _FAR or mnemonic.startswith("loop")
    operands: list[Operand] = []
    size: str | None = None
    for part in parts:
        operand, given = _parse_operand(part, bind, branch, prefixed)
        operands.append(operand)
        size = given or size
    if mnemonic in ("movsd", "cmpsd") and not operands:
        mnemonic = mnemonic[:-1] + "l"
    mnemonic = _NAMES.get(mnemonic, mnemonic)
    far = _far(operands) if mnemonic in _FAR else None
    if far is not None:
        return _FAR[mnemonic], far
    if branch and len(operands) == 1 and isinstance(operands[0], Imm):
        operands[0] = Mem(operands[0].value)  # call offset sym
    if len(operands) > 1 and mnemonic in _INDIRECT:
        raise Problem(f"operand type mismatch for `{mnemonic}'")
    if branch and mnemonic not in _FAR and operands:  # which go to a label, of whatever size
        target = operands[0]
        if isinstance(target, Star) and isinstance(target.target, Mem) and not target.target.base:
            if not mnemonic.startswith(("loop", "jec", "jcx")):
                raise Problem(f"operand type mismatch for `{mnemonic}'")
            operands[0] = target.target
        return mnemonic, operands
    if mnemonic in ("ljmp", "lcall") and len(operands) == 1:
        operands = [_through(operands[0])]
        if size not in (None, "far", "f" if bits == 32 else "l"):
            raise Problem(f"operand size mismatch for `{mnemonic}'")
    if mnemonic in _INDIRECT and operands:
        if isinstance(operands[0], Reg):
            operands[0] = Star(operands[0])
        if isinstance(operands[0], Star) and size is not None:
            form = _THROUGH.get((bits, size))
            if form is None:
                raise Problem(
                    f"`{mnemonic}' through a {size!r}-sized operand", "write dword ptr or fword ptr"
                )
            mnemonic = form[0] + mnemonic + form[1]
        return mnemonic, operands
    if mnemonic not in ("enter", "bound"):
        operands.reverse()
    if mnemonic in ("movzx", "movsx"):
        if size in ("b", "w"):
            mnemonic = mnemonic[:4] + size
        elif size is not None:
            raise Problem(f"the source of `{mnemonic}' is a byte or a word")
        return mnemonic, operands
    wanted = memory_size(mnemonic, operands)
    if size is not None and wanted is not None and size != wanted:
        raise Problem(f"operand size mismatch for `{mnemonic}'")
    if mnemonic[0] == "f":
        return _x87(mnemonic, size, operands), operands
    if mnemonic.startswith("cvtsi2"):
        if size not in (None, "l"):
            raise Problem(f"operand size mismatch for `{mnemonic}'")
        return mnemonic, operands
    if mnemonic == "lea" or wanted is not None:
        return mnemonic, operands
    if size is not None and size not in "bwl" and knows(mnemonic):
        raise Problem(f"operand size mismatch for `{mnemonic}'")
    if size is not None and mnemonic in ("movsb", "movsw") and operands and size != mnemonic[-1]:
        raise Problem(f"operand size mismatch for `{mnemonic}'")
    if size in ("b", "w", "l") and mnemonic in _STRINGS:
        return mnemonic + size, operands
    if size in ("b", "w", "l") and mnemonic in ("in", "out"):
        raise Problem(f"`{mnemonic}' takes no memory operand")
    if size is not None and size in "bwl" and knows(mnemonic):
        general = [GENERAL.get(o.name) for o in operands if isinstance(o, Reg)]
        if mnemonic[:2] in ("sh", "sa", "ro", "rc") and operands[0] == Reg("ecx"):
            operands[0] = Reg("cl")
        single = len(operands) == 1 or mnemonic[:2] in ("sh", "sa", "ro", "rc")
        if single or not any(general):
            mnemonic += size
        elif size not in general:
            raise Problem(f"operand size mismatch for `{mnemonic}'")
    return mnemonic, operands


def _through(operand: Operand) -> Operand:
    """`lcall 7` goes through memory, as `lcall [7]` does."""
    if isinstance(operand, Imm):
        return Star(Mem(operand.value))
    return Star(operand) if isinstance(operand, Mem) else operand


def _far(operands: list[Operand]) -> list[Operand] | None:
    """Selector and offset of `call 0x8:main` and `call 0x8,main`; None for any other target."""
    if len(operands) == 1 and isinstance(operands[0], Far):
        return [Imm(operands[0].selector), Imm(operands[0].offset)]
    if len(operands) != 2:
        return None
    parts: list[Operand] = []
    for operand in operands:
        if isinstance(operand, Mem) and not (operand.base or operand.index or operand.segment):
            parts.append(Imm(operand.displacement or Number(0)))
        elif isinstance(operand, Imm):
            parts.append(operand)
        else:
            return None
    first = parts[0]
    if isinstance(first, Imm) and isinstance(first.value, Number) and first.value.value >> 31 == 1:
        parts[0] = Imm(Number(first.value.value - (1 << 32)))  # gas counts in 32 bits
    return parts


def _x87(mnemonic: str, size: str | None, operands: list[Operand]) -> str:
    memory = any(isinstance(operand, Mem) for operand in operands)
    if memory and size is None and _X87_SIZED.fullmatch(mnemonic):
        letters = _X87_INTEGER if mnemonic.startswith("fi") else _X87_FLOAT
        names = [word for word, letter in _SIZES.items() if letter in letters][: len(letters)]
        raise Problem(
            f"ambiguous operand size for `{mnemonic}'", f"write {names[0]} ptr or {names[1]} ptr"
        )
    if memory and size is not None:
        integer = mnemonic.startswith("fi") and mnemonic not in ("finit",)
        control = mnemonic in ("fldcw", "fnstcw", "fstcw", "fnstsw", "fstsw", "fbld", "fbstp")
        if control or mnemonic in ("fldenv", "fnstenv", "fstenv", "fnsave", "fsave", "frstor"):
            return mnemonic
        suffix = (_X87_INTEGER if integer else _X87_FLOAT).get(size)
        if suffix is None:
            raise Problem(f"`{mnemonic}' has no form of that size")
        return mnemonic + suffix
    match = _SUBTRACT.fullmatch(mnemonic)
    if match and not memory:
        # AT&T syntax keeps an old assembler's exchange of fsub and fsubr (fdiv, fdivr) when the
        # destination is %st(i), which Intel syntax does not have.
        to_stack = not operands or match.group(3) or (
            len(operands) == 2 and operands[1] != Reg("st(0)")
        )  # fmt: skip
        if to_stack:
            reverse = "" if match.group(2) else "r"
            return f"{match.group(1)}{reverse}{match.group(3)}"
    return mnemonic
