"""Registers under other names: `.equ count, %ecx`, and registers without `%` after `.att_syntax noprefix`."""

from __future__ import annotations

import re
from typing import Final

from .operands import REGISTERS

_ATT: Final = re.compile(r"%\s*([A-Za-z]\w*(?:\s*\(\s*[0-7]\s*\))?)")
_WORD: Final = re.compile(r"(?<![%\w.$@\"'])([A-Za-z_.$][\w.$]*)")
_BARE: Final = re.compile(r"(?<![%\w.$@\"'])([A-Za-z][A-Za-z0-9]*)(?![\w.$@])")
_STRING: Final = re.compile(r'("(?:\\.|[^"\\])*")')


def register_text(text: str, intel: bool) -> str | None:
    """The register, or in Intel syntax the sum with one, that a symbol is to stand for, without `%`; None for
    any other expression."""
    found = _ATT.fullmatch(text.strip())
    if found is not None:
        name = re.sub(r"\s", "", found.group(1)).lower()
        return name if name.partition("(")[0] in REGISTERS or name in REGISTERS else None
    if not intel or '"' in text:
        return None
    words = [word.lower() for word in _BARE.findall(text)]
    return text.strip() if any(word in REGISTERS for word in words) else None


def put_in(text: str, names: dict[str, str], intel: bool) -> str:
    """An operand or expression with the registers in place of their names."""

    def one(match: re.Match[str]) -> str:
        register = names.get(match.group(1))
        if register is None:
            return match.group()
        if not intel:
            return f"%{register}"
        plain = register in REGISTERS
        return register if plain else f"({register})"

    pieces = _STRING.split(text)
    return "".join(p if p[:1] == '"' else _WORD.sub(one, p) for p in pieces)


def comparable(text: str) -> str:
    """An expression with one word for each register of the x87's stack."""
    return re.sub(r"%?\bst\(([0-7])\)", r"%st\1", text)


def with_percent(text: str) -> str:
    """AT&T operands with a `%` before each register that has none."""

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"%{name}" if name.lower() in REGISTERS else name

    pieces = _STRING.split(text)
    return "".join(p if p[:1] == '"' else _BARE.sub(one, p) for p in pieces)
