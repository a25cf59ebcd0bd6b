"""What beginners write, told from what they meant: NASM, Intel syntax, a missing include, a missing libc."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from .errors import AssemblyError, Problem
from .fragments import SymbolBuild
from .later import HINT, is_later
from .mnemonics import suggestion
from .operands import REGISTERS, Imm, Mem, Operand
from .program import is_linkers
from .source import Statement, error

_NASM: Final = (
    (re.compile(r"\s*(?:section|segment)\s+(\.?\w+)", re.I), r".section \1"),
    (re.compile(r"\s*global\s+(\w+)", re.I), r".globl \1"),
    (re.compile(r"\s*extern\s+(\w+)", re.I), r".extern \1"),
    (re.compile(r"\s*\[?bits\s+(16|32)\]?", re.I), r".code\1"),
    (re.compile(r"\s*(\w+):?\s+equ\s+(.+)", re.I), r".equ \1, \2"),
    (re.compile(r"\s*(\w+):?\s+db\s+(.+)", re.I), r"\1: .byte \2"),
    (re.compile(r"\s*(\w+):?\s+dw\s+(.+)", re.I), r"\1: .word \2"),
    (re.compile(r"\s*(\w+):?\s+dd\s+(.+)", re.I), r"\1: .long \2"),
    (re.compile(r"\s*(\w+):?\s+resb\s+(\S+)", re.I), r"\1: .skip \2"),
    (re.compile(r"\s*(\w+):?\s+resw\s+(\S+)", re.I), r"\1: .skip 2 * \2"),
    (re.compile(r"\s*(\w+):?\s+resd\s+(\S+)", re.I), r"\1: .skip 4 * \2"),
    (re.compile(r"\s*%include\s+(\S+)", re.I), r".include \1"),
    (re.compile(r"\s*%define\s+(\w+)\s+(.+)", re.I), r".equ \1, \2"),
)  # fmt: skip
# The first of what CPUs after this machine's have, Intel SDM vol. 2 by its CPUID flags.
ELSEWHERE: Final = "define it, or link the file that does: --with FILE"
_HERE: Final = re.compile(r"\$(?![\w$])")  # NASM's name for the present address
_INCLUDE: Final = Path(__file__).resolve().parent.parent / "include"
_LIBC: Final = frozenset((
    "printf", "puts", "putchar", "malloc", "free", "exit", "scanf", "getchar", "strlen", "memcpy", "fork",
))  # fmt: skip


_WIDE: Final = re.compile(r"r(?:[abcd]x|[sd]i|[bsi]p|8|9|1[0-5])")
_GNU: Final = re.compile(
    r"^[ \t]*(?:\w+:[ \t]*)?\.(?:globl|global|text|data|bss|section|long|byte|ascii|asciz|string|"
    r"include|intel_syntax|equ|macro)\b", re.M
)  # fmt: skip


def nasm_lines(text: str) -> list[tuple[int, str, str]]:
    """The lines that only NASM takes, with their GNU forms; empty for a source that has GNU's directives."""
    found = []
    if _GNU.search(text):
        return []
    for number, line in enumerate(text.split("\n"), 1):
        form = nasm_form(line)
        if form is not None:
            found.append((number, line.strip(), form))
    return found


def nasm_form(line: str) -> str | None:
    """What GNU as takes in place of a line of NASM's; None for any other."""
    code = line.split(";")[0].rstrip()
    for pattern, form in _NASM:
        match = pattern.fullmatch(code)
        if match is not None and not code.lstrip().startswith("."):
            return _string_form(_HERE.sub(".", match.expand(form)))
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


def wide_register(operands: str) -> str | None:
    """A register of 64 bits among operands."""
    found = re.search(rf"(?<![%\w.$])({_WIDE.pattern})(?![\w.$])", operands, re.I)
    return found.group(1) if found else None


def undefined_symbol(name: str, symbols: Mapping[str, SymbolBuild]) -> Problem:
    """What to say of a symbol that is used and not defined among `symbols`."""
    if "\x01" in name:
        number = name.partition("\x01")[0]
        return Problem(f"local label `{number}f' has no `{number}:' after it")
    defined = [other for other, symbol in symbols.items() if symbol.node and "\x01" not in other]
    near = difflib.get_close_matches(name, defined, 1, 0.7)
    hint = undefined_hint(name) or (f"did you mean `{near[0]}'?" if near else ELSEWHERE)
    return Problem(f"undefined symbol `{name}'", hint)


def undefined_symbols(
    used_in: Mapping[str, Statement], symbols: Mapping[str, SymbolBuild], *, certain: bool = False
) -> list[AssemblyError]:
    """An error for each symbol that is used and defined nowhere; `certain` leaves out those that a line
    with another mistake may have been meant to define."""
    problems = []
    for name, statement in used_in.items():
        symbol = symbols[name]
        if symbol.node is not None or symbol.common or symbol.weak or is_linkers(name):
            continue
        if certain and undefined_hint(name) is None:
            continue
        found = undefined_symbol(name, symbols)
        problem = error(statement.location, found.message, found.hint)
        problem.statement = statement.text
        problems.append(problem)
    return problems


def undefined_hint(name: str) -> str | None:
    """Why a symbol may be undefined."""
    if name.lower() in REGISTERS:
        return f"a register is written %{name}; or write .intel_syntax noprefix first"
    if _WIDE.fullmatch(name.lower()):
        return "this is a 32-bit machine: it has no 64-bit registers, write %eax and its kin"
    if name.startswith(("__NR_", "SYS_")):
        return (
            "the numbers of system calls: #include <asm/unistd.h> (SYS_: <sys/syscall.h>) in a .S, the usual "
            'ones .include "linux.inc"'
        )
    if name in _LIBC:
        return "there is no C library here: write it in C (toykernel run x.c), link one, or use system calls"
    return None


def misplaced(operands: Sequence[Operand]) -> str:
    """What may be wrong with operands that no form of an instruction takes."""
    if sum(isinstance(operand, Mem) for operand in operands) > 1:
        return "one operand may be in memory: go through a register"
    if len(operands) > 1 and isinstance(operands[-1], Imm):
        return "the last operand is written to, which a number cannot be: AT&T has the source first"
    return "see the instruction's forms in the Intel manual, vol. 2"


def newer_cpu(mnemonic: str) -> str | None:
    """Whether an unknown instruction is one of CPUs that came later than this machine's."""
    return HINT if is_later(mnemonic) else None


def unknown_instruction(mnemonic: str) -> str | None:
    """What an unknown instruction may be: a macro of ours, a system call, one of a later CPU, a slip."""
    home = macro_home(mnemonic)
    if home is not None:
        return f'it is a macro: .include "{home}"'
    home = macro_home(f"sys_{mnemonic}")
    if home is not None:
        return f'a system call: int $0x80, or sys_{mnemonic} after .include "{home}"'
    near = suggestion(mnemonic)
    return newer_cpu(mnemonic) or (f"did you mean `{near}'?" if near else None)


def macro_home(mnemonic: str) -> str | None:
    """The include file that has a macro of that name."""
    pattern = re.compile(rf"^\s*\.macro\s+{re.escape(mnemonic)}\b", re.M | re.I)
    for path in sorted(_INCLUDE.glob("*.inc")):
        if pattern.search(path.read_text(encoding="utf-8")):
            return path.name
    return None
