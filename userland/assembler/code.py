"""The instructions of a source: each is read, encoded, and put into the section."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .errors import Problem
from .expressions import Name, Node
from .fragments import Branch
from .instructions import Encoded, InstructionEncoder
from .intel import translate
from .mentioned import got_fix
from .mnemonics import BRANCHES, EXACT, PREFIXES, SIZED
from .operands import Far, Imm, Mem, Operand, Star, parse_operand
from .prefixed import (
    OTHER_PREFIXES,
    add_prefixes,
    default_suffix,
    lengthen,
    narrow,
    old_suffix,
    other_direction,
    sort_prefixes,
    string_operands,
    widen,
    without_call,
)
from .register_names import put_in, with_percent
from .shapes import Fix
from .sizes import Mode, address_bits, is_by_mode, memory_of
from .source import Statement, split_operands
from .tolerated import starred, tolerated

if TYPE_CHECKING:
    from .assembler import Assembler

_WORD: Final = re.compile(r"([A-Za-z_.$][\w.$]*)\s*(.*)", re.S)
#: Operands of registers and numbers only; a symbol alone.
_PLAIN: Final = re.compile(r"(?:%[a-z]\w*|[-$*(),: ]|0[xX][0-9a-fA-F]+(?!\w)|(?<!\w)\d+(?!\w))*")
_SYMBOL: Final = re.compile(r"[A-Za-z_.][\w.]*")
_PORT: Final = re.compile(r"\(\s*%dx\s*\)", re.I)


class Code:
    """What writes instructions into a section, in the mode of the last `.code16` or `.code32`."""

    def __init__(self, assembler: Assembler) -> None:
        self.assembler = assembler
        self.encoder = InstructionEncoder(assembler.warn)
        #: By text and mode, the bytes of instructions in which no symbol stands.
        self._known: dict[tuple[str, str, int, bool], bytes] = {}

    @property
    def mode(self) -> Mode:
        """Of how many bits the code is."""
        return self.encoder.mode

    def instruction(
        self, name: str, rest: str, statement: Statement, pseudo: Sequence[str] = ()
    ) -> None:
        """Write one instruction: its mnemonic, or first prefix, what stands behind it, and its {words}."""
        assembler, mode = self.assembler, self.mode
        if assembler.register_names:
            rest = put_in(rest, assembler.register_names, assembler.intel)
        if assembler.bare_registers and not assembler.intel:
            rest = with_percent(rest)
        name, pseudo = old_suffix(name, pseudo)
        key = None
        if not pseudo and not assembler.intel:
            if mode.bits == 32 and _SYMBOL.fullmatch(rest) and self._jump(name, rest, statement):
                return
            if _PLAIN.fullmatch(rest):
                key = (name, rest, mode.bits, mode.gcc)
                known = self._known.get(key)
                if known is not None:
                    assembler.emit(known, (), statement)
                    return
        said = len(assembler.warnings)
        names: list[str] = []
        while name in PREFIXES or name in OTHER_PREFIXES:
            names.append(name)
            word = _WORD.match(rest)
            if word is None:
                if rest or len(names) > 1:
                    raise Problem(f"junk `{rest}' after prefix `{name}'")
                prefix = PREFIXES.get(name) or OTHER_PREFIXES[name]
                assembler.emit(bytes([prefix]), (), statement)
                return
            name, rest = word.group(1).lower(), word.group(2).strip()
        name, operands = self._operands(name, rest)
        name, operands, added = string_operands(name, operands, mode.bits)
        operands, called = without_call(operands)
        bits = 0 if assembler.intel else mode.bits
        name, operands, more = tolerated(name, operands, bits, assembler.warn)
        added += more
        words = sort_prefixes(
            [*names, *(word for word in added if word not in names)], name, mode.bits
        )
        stars = starred(name, operands)
        if words.address == 16 and (memory := memory_of(stars)) and address_bits(memory, 16) == 32:
            raise Problem("`addr16' before an address of 32-bit registers")
        vector = EXACT.get(name)
        if words.data and vector is not None and vector.kind == "sse" and operands:
            raise Problem(f"data size prefix invalid with `{name}'")
        if "notrack" in names and (name[0] == "l" or not any(isinstance(o, Star) for o in stars)):
            raise Problem("expecting indirect branch instruction after `notrack'")
        bits = {"w": 16, "l": 32}.get(words.data or "", bits)
        guessed = default_suffix(name, operands, bits)
        if name == "push" and words.data == "w" and isinstance(operands[0], Imm):
            guessed = "pushw"
        if guessed != name and name not in ("movsx", "movzx", "push"):
            assembler.warn(f"nothing gives the size of `{name}': taken for `{guessed}'")
        if stars is not operands:
            assembler.warn(f"indirect {name} without `*'")
        truth: Node | None = None
        direct = not any(isinstance(o, Star) for o in stars)
        branching = name in BRANCHES and direct
        if words.data and (branching or is_by_mode(guessed)):
            data_size, words = words.data, words.without_data()
        else:
            data_size = None

        def encode(chosen: list[Operand]) -> Encoded:
            return self.encoder.encode(guessed, words.plain, chosen, data_size, words.address)

        longer: Encoded | None = None
        if "disp8" in pseudo and not branching:
            longer = lengthen(encode, stars)
        if "disp32" in pseudo and not branching:
            stars, truth = widen(stars)
        encoded = longer or encode(stars)
        if truth is not None:
            encoded = narrow(encoded, truth)
        if "load" in pseudo:
            encoded = other_direction(encoded, stars)
        encoded = add_prefixes(encoded, words, sized=guessed != name)
        if encoded.branch is None:
            fixes = [got_fix(fix) for fix in encoded.fixes]
            fixes += [Fix(0, 0, called)] if called is not None else []
            assembler.emit(encoded.data, fixes, statement)
            if key is not None and not fixes and len(assembler.warnings) == said:
                self._known[key] = encoded.data
            return
        assembler.note_relocations(encoded.branch)
        front = words.segment + words.size + words.repeat + encoded.data[:-1]
        if front:
            assembler.emit(front, (), statement)
        line = assembler.lined_as(statement)
        tail = Branch(encoded.data[-1], encoded.branch, statement, line, encoded.width)
        tail.long = "disp32" in pseudo
        assembler.section.close(tail)

    def _jump(self, name: str, target: str, statement: Statement) -> bool:
        """Write a jump or call to a symbol; False for any other instruction."""
        assembler = self.assembler
        opcode = BRANCHES.get(name)
        if opcode is None and name != "call":
            return False
        node = assembler.bind(Name(target))
        if opcode is None:
            assembler.emit(b"\xe8\0\0\0\0", [Fix(1, 4, node, True)], statement)
        else:
            assembler.note_relocations(node)
            line = assembler.lined_as(statement)
            assembler.section.close(Branch(opcode, node, statement, line))
        return True

    def _operands(self, name: str, rest: str) -> tuple[str, list[Operand]]:
        assembler = self.assembler
        if assembler.intel:
            prefixed = not assembler.bare_registers
            bits = self.mode.bits
            return translate(name, rest, assembler.bind, lambda n: n in SIZED, prefixed, bits)
        if name.startswith(("in", "out")):
            rest = _PORT.sub("%dx", rest)
        parts = split_operands(rest) if rest else []
        return name, [self._bound(parse_operand(part, assembler.warn)) for part in parts]

    def _bound(self, operand: Operand) -> Operand:
        bind = self.assembler.bind
        if isinstance(operand, Imm):
            return Imm(bind(operand.value))
        if isinstance(operand, Mem) and operand.displacement is not None:
            return replace(operand, displacement=bind(operand.displacement))
        if isinstance(operand, Star):
            target = self._bound(operand.target)
            assert not isinstance(target, (Imm, Star, Far))
            return Star(target)
        return operand
