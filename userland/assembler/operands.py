"""Operands as data, and the AT&T syntax for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from .errors import Problem
from .expressions import Node, Number, parse
from .later import HINT, is_later_register
from .source import split_operands

REG32: Final = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
REG16: Final = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
REG8: Final = ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh")
SEGMENTS: Final = ("es", "cs", "ss", "ds", "fs", "gs")
CONTROL: Final = ("cr0", "cr2", "cr3", "cr4")
DEBUG: Final = ("dr0", "dr1", "dr2", "dr3", "dr6", "dr7")
FLOAT: Final = tuple(f"st({n})" for n in range(8))
VECTOR: Final = tuple(f"xmm{n}" for n in range(8))
MMX: Final = tuple(f"mm{n}" for n in range(8))
REGISTERS: Final = frozenset(
    REG32 + REG16 + REG8 + SEGMENTS + CONTROL + DEBUG + FLOAT + VECTOR + MMX + ("st",)
)
GENERAL: Final = {
    **dict.fromkeys(REG8, "b"), **dict.fromkeys(REG16, "w"), **dict.fromkeys(REG32, "l"),
}  # fmt: skip


@dataclass(frozen=True)
class Reg:
    """A register, by its name without `%`."""

    name: str


@dataclass(frozen=True)
class Imm:
    value: Node


@dataclass(frozen=True)
class Mem:
    """segment:displacement(base, index, scale)."""

    displacement: Node | None
    base: str | None = None
    index: str | None = None
    scale: int = 1
    segment: str | None = None
    hollow: bool = False  # written with parentheses that have no register in them


@dataclass(frozen=True)
class Star:
    """The target of an indirect jump or call."""

    target: Reg | Mem


@dataclass(frozen=True)
class Far:
    """A direct far target, selector and offset."""

    selector: Node
    offset: Node


Operand: TypeAlias = Reg | Imm | Mem | Star | Far

#: Brackets that only group, behind an operator and without a register in them.
_GROUPED: Final = re.compile(r"[^\[\]]*(?:[-+*/(|&^!~<>]\s*\[[^%\[\]]*\][^\[\]]*)+")
_NO_BASE: Final = re.compile(r",\s*[1248]?")
_REGISTER: Final = re.compile(r"%\s*([A-Za-z]\w*)(?:\s*\(\s*(\d+)\s*\))?")


def register(text: str) -> str:
    """The name of an AT&T register operand; Problem when there is no such register."""
    match = _REGISTER.fullmatch(text.strip())
    if match is None:
        raise Problem(f"bad register name `{text.strip()}'")
    name = match.group(1).lower()
    if match.group(2) is not None:
        name = f"{name}({int(match.group(2)[:3])})"
    if name == "st":
        name = "st(0)"
    if name.startswith("db") and "dr" + name[2:] in DEBUG:
        name = "dr" + name[2:]
    if name not in REGISTERS:
        hint = None
        if re.fullmatch(r"r(\d+[bdw]?|[a-ds][xpi]|[sd]i|bp|sp)|[sd]il|[bs]pl", name):
            hint = "this is a 32-bit machine: it has no 64-bit registers"
        elif is_later_register(name):
            hint = HINT
        raise Problem(f"bad register name `%{name}'", hint)
    return name


def check_address(base: str | None, index: str | None, scale: int) -> None:
    """Raises Problem for a base, an index or a scale that no 32-bit address can have."""
    if base in REG16 and index not in REG32:
        if _is_short(base, index) and scale == 1:
            return
        raise Problem(
            "no 16-bit address has these registers",
            "there are (%bx), (%bp), (%si), (%di), (%bx,%si) and its like",
        )
    for part in (base, index):
        if part is not None and part not in REG32:
            raise Problem(
                f"`%{part}' cannot be part of an address",
                "addresses are built from the 32-bit registers",
            )
    if index == "esp":
        raise Problem("`%esp' cannot be an index register")
    if scale not in (1, 2, 4, 8):
        raise Problem(f"scale {scale} is not 1, 2, 4 or 8")


def _is_short(base: str | None, index: str | None) -> bool:
    """Whether registers make one of the addresses of 16 bits, SDM vol. 2, table 2-1."""
    if index is None:
        return base in ("bx", "bp", "si", "di")
    return base in ("bx", "bp") and index in ("si", "di")


def _memory(text: str, segment: str | None, warn: Callable[[str], None]) -> Mem:
    if not text.endswith(")"):
        return Mem(parse(text), segment=segment)
    depth, start = 0, len(text)
    while start > 0:
        start -= 1
        depth += {")": 1, "(": -1}.get(text[start], 0)
        if depth == 0:
            break
    if depth != 0:
        raise Problem(f"unbalanced parenthesis in `{text}'")
    inner = text[start + 1 : -1].strip()
    if _NO_BASE.fullmatch(inner) is None and ("%" not in inner or inner[0] not in "%,"):
        return Mem(parse(text), segment=segment)
    prefix = text[:start].strip()
    displacement = parse(prefix) if prefix else None
    parts = split_operands(inner)
    if len(parts) == 2 and parts[1] in ("1", "2", "4", "8"):
        if parts[1] != "1":
            warn(f"scale factor {parts[1]} without an index register, as in (,%eax,{parts[1]})")
        parts.pop()
    if len(parts) > 3:
        raise Problem(f"`({inner})' has too many parts", "write (base,index,scale)")
    base = register(parts[0]) if parts[0] else None
    index = register(parts[1]) if len(parts) > 1 and parts[1] else None
    scale = 1
    if len(parts) == 3 and parts[2]:
        node = parse(parts[2])
        if not isinstance(node, Number):
            raise Problem(f"scale `{parts[2]}' is not a number")
        scale = node.value
    if index is None and scale != 1:
        raise Problem("a scale without an index register")
    check_address(base, index, scale)
    return Mem(displacement, base, index, scale, segment, base is None and index is None)


def parse_operand(text: str, warn: Callable[[str], None]) -> Operand:
    """One AT&T operand; a jump target comes out as a Mem without registers. `warn` says what gas warns of."""
    text = text.strip()
    if not text:
        raise Problem("missing operand")
    if text[0] == "$":
        return Imm(parse(text[1:]))
    if text[0] == "*":
        target = parse_operand(text[1:], warn)
        if not isinstance(target, (Reg, Mem)):
            raise Problem(f"`{text}' cannot be jumped through")
        return Star(target)
    if text[0] == "%":
        colon = text.find(":")
        if colon < 0:
            return Reg(register(text))
        segment = register(text[:colon])
        if segment not in SEGMENTS:
            raise Problem(f"`%{segment}' is not a segment register")
        rest = text[colon + 1 :].strip()
        starred = rest[:1] == "*"
        rest = rest[1:].strip() if starred else rest
        if not rest or rest[0] in "%$*":
            raise Problem(f"missing address after `%{segment}:'")
        memory = _memory(rest, segment, warn)
        return Star(memory) if starred else memory
    if "[" in text and _GROUPED.fullmatch(text):
        text = text.replace("[", "(").replace("]", ")")
    if "[" in text:
        raise Problem(
            f"`{text}' is Intel syntax",
            "AT&T writes disp(base,index,scale), or .intel_syntax first",
        )
    return _memory(text, None, warn)
