"""What beginners write, told from what they meant: NASM, Intel syntax, a missing include, a missing libc."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from .operands import REGISTERS

_NASM: Final = (
    (re.compile(r"\s*(?:section|segment)\s+(\.?\w+)", re.I), r".section \1"),
    (re.compile(r"\s*global\s+(\w+)", re.I), r".globl \1"),
    (re.compile(r"\s*extern\s+(\w+)", re.I), r".extern \1"),
    (re.compile(r"\s*\[?bits\s+(16|32)\]?", re.I), r".code\1"),
    (re.compile(r"\s*(\w+):?\s+equ\s+(.+)", re.I), r".equ \1, \2"),
    (re.compile(r"\s*(\w+):?\s+db\s+(.+)", re.I), r"\1: .byte \2"),
    (re.compile(r"\s*(\w+):?\s+dw\s+(.+)", re.I), r"\1: .word \2"),
    (re.compile(r"\s*(\w+):?\s+dd\s+(.+)", re.I), r"\1: .long \2"),
    (re.compile(r"\s*(\w+):?\s+res([bwd])\s+(\S+)", re.I), r"\1: .skip \3 * (size of \2)"),
    (re.compile(r"\s*%define\s+(\w+)\s+(.+)", re.I), r".equ \1, \2"),
)  # fmt: skip
_INCLUDE: Final = Path(__file__).resolve().parent.parent / "include"
_LIBC: Final = frozenset((
    "printf", "puts", "putchar", "malloc", "free", "exit", "scanf", "getchar", "strlen", "memcpy", "fork",
))  # fmt: skip


def nasm_line(text: str) -> tuple[int, str] | None:
    """The first line that only NASM takes, and its GNU form; None for other sources."""
    for number, line in enumerate(text.split("\n"), 1):
        code = line.split(";")[0].rstrip()
        for pattern, form in _NASM:
            match = pattern.fullmatch(code)
            if match is not None and not code.lstrip().startswith("."):
                return number, _string_form(match.expand(form))
    return None


def _string_form(form: str) -> str:
    """`.byte "hi",10` is `.ascii "hi"; .byte 10` to GNU as."""
    match = re.fullmatch(r"""(\w+:) \.byte (["'][^"']*["'])(?:,\s*(.*))?""", form)
    if match is None:
        return form
    tail = f"; .byte {match.group(3)}" if match.group(3) else ""
    return f'{match.group(1)} .ascii "{match.group(2)[1:-1]}"{tail}'


def bare_register(operands: str) -> str | None:
    """A register written without `%` among AT&T operands."""
    for word in re.findall(r"(?<![%\w.$])[A-Za-z]\w*", operands):
        if word.lower() in REGISTERS:
            return str(word)
    return None


def undefined_hint(name: str) -> str | None:
    """Why a symbol may be undefined."""
    if name.lower() in REGISTERS:
        return f"a register is written %{name}; or write .intel_syntax noprefix first"
    if name in _LIBC:
        return "there is no C library here: link one with the program, or use system calls"
    return None


def macro_home(mnemonic: str) -> str | None:
    """The include file that has a macro of that name."""
    pattern = re.compile(rf"^\s*\.macro\s+{re.escape(mnemonic)}\b", re.M | re.I)
    for path in sorted(_INCLUDE.glob("*.inc")):
        if pattern.search(path.read_text(encoding="utf-8")):
            return path.name
    return None
