"""One pass over the statements of a program, then layout."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from .asked import Asked
from .cfi import FrameTable
from .code import Code
from .directives import Directives
from .emission import Emission
from .errors import MAX_ERRORS, AssemblyError, Problem, together
from .expressions import (
    GOT_NAME,
    NAME,
    Binary,
    Modified,
    Name,
    Node,
    Number,
    Position,
    Register,
    bind,
    parse,
)
from .fragments import MAX_BYTES, Align, SectionBuild, SymbolBuild
from .hints import bare_register, nasm_form, undefined_hint, undefined_symbols, wide_register
from .mentioned import free_names, kind_of
from .objects import ObjectFile
from .operands import REGISTERS
from .prefixed import pseudo_prefixes
from .reader import Reader
from .register_names import comparable, put_in, register_text
from .shapes import Fix
from .source import Location, Statement, error

#: What `.gasversion.` is: GNU as 2.40, by which this one is measured.
GAS_VERSION: Final = 24000
#: The section of `.struct`, which is nowhere.
ABSOLUTE: Final = "*ABS*"
_LABEL: Final = re.compile(rf"({NAME}|\d+|\"[^\"]+\")\s*:(?!:)\s*")
_ASSIGN: Final = re.compile(r"([A-Za-z_.$][\w.$]*)\s*(==?)(?!=)\s*(.*)", re.S)
_WORD: Final = re.compile(r"([A-Za-z_.$][\w.$]*)\s*(.*)", re.S)
_SYMBOL: Final = re.compile(r"[A-Za-z_.$][\w.$]*")


class Assembler:
    """One source being read: its sections, symbols and local labels so far."""

    def __init__(self, include: Sequence[Path], defines: Mapping[str, int], source: str) -> None:
        self.source = source
        self.sections: dict[str, SectionBuild] = {}
        for name in (".text", ".data", ".bss"):
            flags = {".text": "rx"}.get(name, "rw")
            self.sections[name] = SectionBuild(name, flags, name == ".bss")
        self.section = self.sections[".text"]
        self.symbols: dict[str, SymbolBuild] = {}
        self.locals: dict[int, int] = {}
        self.intel = False
        self.bare_registers = False
        self.stop = False
        self.files: dict[int, str] = {}
        self.loc: Location | None = None
        self.lined: Statement | None = None
        self.warnings: list[str] = []
        self.uses_got = False
        self.asked: list[Asked] = []
        self.register_names: dict[str, str] = {}
        self.newer: list[bool | None] = [None]  # whether gas pads code with long nops, by `.arch`
        self.tuned = False  # where none is in force, the same by the last that was
        self.total = 0
        self.where = Location(source, 0)
        self.statement = Statement("", self.where)
        self.used_in: dict[
            str, Statement
        ] = {}  # by symbol: where it was used before its definition
        self.code = Code(self)
        self.frames = FrameTable(self.here, self._stream, self.expression)
        self.directives = Directives(self)
        self.reader = Reader(include, self._known_constant, self._is_defined)
        for name, value in defines.items():
            if not _SYMBOL.fullmatch(name):
                raise AssemblyError(source, 0, f"`{name}' cannot be a symbol's name")
            symbol = self.symbol(name)
            symbol.node, symbol.variable = Number(value), True

    # -- symbols and expressions -----------------------------------------------------------

    def symbol(self, name: str) -> SymbolBuild:
        """The symbol of that name, new if need be."""
        found = self.symbols.get(name)
        if found is None:
            found = self.symbols[name] = SymbolBuild(name)
        return found

    def _is_defined(self, name: str) -> bool:
        symbol = self.symbols.get(name)
        return symbol is not None and (symbol.node is not None or symbol.common is not None)

    def _known_constant(self, text: str) -> int:
        node = self._settled(self.expression(text))
        if isinstance(node, Number):
            return node.value
        names = sorted(free_names(node))
        if names:
            raise Problem(f"`{names[0]}' is not a constant here", "define it before this line")
        raise Problem(f"`{text}' is not a constant here")

    def _settled(self, node: Node) -> Node:
        """An expression with the numbers put in that symbols got after their use in it."""
        if isinstance(node, Number):
            return node

        def number(name: str) -> Node:
            symbol = self.symbols.get(name)
            if symbol is None or symbol.meant is None or symbol.weak:
                return Name(name)
            return self._settled(symbol.meant)

        return bind(node, number)

    def _lookup(self, name: str) -> Node:
        if name == ".":
            here = self.here()
            return self.absolute(here) if here.section == ABSOLUTE else here
        if name == ".gasversion.":
            return Number(GAS_VERSION)
        if (
            name[-1] in "bf" and name[:-1].isdecimal()
        ):  # a name in quotes may begin with a digit, too
            number = int(name[:-1])
            count = self.locals.get(number, 0)
            if name[-1] == "b" and count == 0:
                raise Problem(f"local label `{name}' has no `{number}:' before it")
            mangled = f"{number}\x01{count if name[-1] == 'b' else count + 1}"
            known = self.symbols.get(mangled)
            return known.node if known is not None and known.node is not None else Name(mangled)
        symbol = self.symbol(name)
        if symbol.lazy and symbol.node is not None:
            return bind(symbol.node, self._lookup)
        elsewhere = symbol.weak or symbol.indirect
        if symbol.node is not None and not elsewhere and not symbol.is_grouped(self.sections):
            return symbol.node
        if symbol.used_at is None:
            symbol.used_at = self.where
            self.used_in[name] = self.statement
        return Name(name)

    def bind(self, node: Node) -> Node:
        """An expression with the values of symbols put in that are final now (weak and grouped ones
        stay names).
        """
        return bind(node, self._lookup)

    def expression(self, text: str) -> Node:
        """An expression from its text, with what is known put in. Raises Problem."""
        if not text:
            raise Problem("missing expression")
        if not self.register_names:
            return self.bind(parse(text, intel=self.intel))
        text = comparable(put_in(text, self.register_names, self.intel))
        return self.bind(parse(text, intel=self.intel, registers=REGISTERS))

    def note_relocations(self, node: Node) -> None:
        """Remember whether a field needs the GOT, and so a linker."""
        if isinstance(node, Modified) or (isinstance(node, Name) and node.name == GOT_NAME):
            self.uses_got = True
        elif isinstance(node, Binary):
            self.note_relocations(node.left)
            self.note_relocations(node.right)

    def constant(self, text: str, what: str) -> int:
        """A value that must be known now; a Problem calls it `what` when it is not."""
        node = self._settled(self.expression(text))
        if not isinstance(node, Number):
            raise Problem(
                f"{what} `{text}' is not a constant here", "define its symbols before this line"
            )
        return node.value

    def here(self) -> Position:
        """The location counter: the next byte of the present section."""
        return self.section.here()

    def _stream(self) -> tuple[str, int]:
        return self.section.name, self.section.subsection

    def absolute(self, here: Position) -> Number:
        """A place of `.struct` as the number that it is. Raises Problem."""
        if here.fragment:
            raise Problem("`.struct' with a length that is only known after layout")
        return Number(here.offset)

    def warn(self, message: str) -> None:
        """Say something about the present line that does not stop the assembly."""
        self.warnings.append(f"{self.where.file}:{self.where.line}: {message}")

    def origin(self, file: str, line: int) -> None:
        """What follows was compiled from that line."""
        self.loc = Location(file, line)
        self.lined = None

    def lined_as(self, statement: Statement) -> Statement:
        """The statement, as the line table has it."""
        if self.loc is None or not self.section.executable:
            return statement
        if self.lined is None or self.lined.text != statement.text:
            self.lined = Statement(statement.text, self.loc)
        return self.lined

    def assign(
        self, name: str, text: str, statement: Statement, once: bool = False, lazy: bool = False
    ) -> None:
        """NAME = EXPRESSION; the symbol may be assigned again unless `once`. With `lazy` the expression means
        at every use what its symbols are then."""
        if name == ".":
            self.directives.run(".org", text, statement)
            return
        if not _SYMBOL.fullmatch(name):
            raise Problem(f"`{name}' cannot be a symbol's name")
        self.register_names.pop(name, None)
        register = register_text(text, self.intel)
        if register is not None:
            self.register_names[name] = register
        node = parse(text, intel=self.intel) if lazy else self.expression(text)
        node = node if register is None else Register(register)
        symbol = self.symbol(name)
        self.renew(symbol, once)
        symbol.lazy = lazy
        if symbol.kind == "notype":
            symbol.kind = kind_of(node, self.symbols)
        if isinstance(node, Position):
            node = replace(node, origin=name)
        symbol.node, symbol.variable, symbol.defined_at = node, not once, statement.location

    def renew(self, symbol: SymbolBuild, once: bool = False) -> None:
        """Before another definition: what was used under the name so far keeps its meaning. Raises Problem
        for a symbol that has one for good, and with `once` for one that has any."""
        if symbol.node is None and not symbol.common:
            return
        if not symbol.variable or once:
            raise self._duplicate(symbol)
        if symbol.used_at is not None and symbol.early is None:
            symbol.early = symbol.node
        symbol.variable, symbol.lazy = False, False

    def _duplicate(self, symbol: SymbolBuild) -> Problem:
        first = symbol.defined_at
        hint = f"first defined at {first.file}:{first.line}" if first else None
        return Problem(f"symbol `{symbol.name}' is already defined", hint)

    def label(self, name: str, location: Location) -> None:
        """A label at the location counter; a number is a local one. Raises Problem for a second."""
        if name.isdigit():
            number = int(name)
            self.locals[number] = self.locals.get(number, 0) + 1
            name = f"{number}\x01{self.locals[number]}"
        elif name == ".":
            raise Problem("`.' cannot be a label")
        symbol = self.symbol(name)
        self.renew(symbol)
        here = self.section.here()
        symbol.node = Position(here.section, here.fragment, here.offset, name)
        if here.section == ABSOLUTE:
            symbol.node = self.absolute(here)
        symbol.defined_at = location

    def allocate(self, name: str, size: int, align: int, statement: Statement) -> None:
        """Room for NAME at the end of .bss: in its subsection 1, as gas has it."""
        kept, self.section = self.section, self.sections[".bss"]
        subsection = self.section.subsection
        self.section.enter(1)
        self.section.align = max(self.section.align, align)
        if align > 1:
            self.section.close(Align(align, None, align))
        self.label(name, statement.location)
        symbol = self.symbol(name)
        symbol.kind, symbol.size = "object", Number(size)
        self.emit_fill(size, 0, statement)
        self.section.enter(subsection)
        self.section = kept

    # -- bytes -----------------------------------------------------------------------------

    def emit(self, data: bytes, fixes: Sequence[Fix], statement: Statement) -> None:
        """Append bytes to the section, with fields that are filled after layout."""
        if not data:
            return
        section = self.section
        fragment = section.current
        if section.nobits:
            if any(data) or fixes:
                raise Problem(f"section {section.name} can only hold zeros", "put data into .data")
            fragment.zeros += len(data)
            return
        self.total += len(data)
        if self.total > MAX_BYTES:
            raise Problem(f"the program is larger than {MAX_BYTES >> 20} MiB")
        start = fragment.length
        fragment.data += data
        lined = self.lined_as(statement)
        lines = fragment.lines
        if lines and lines[-1][2] is lined and lines[-1][0] + lines[-1][1] == start:
            lines[-1] = (lines[-1][0], lines[-1][1] + len(data), lined)
        else:
            lines.append((start, len(data), lined))
        for fix in fixes:
            self.note_relocations(fix.value)
            moved = Fix(start + fix.offset, fix.width, fix.value, fix.relative)
            fragment.fixes.append((moved, start + len(data), statement))

    def emit_fill(self, count: int, fill: int, statement: Statement) -> None:
        """`count` bytes of `fill`, which a section without bytes in the file only counts.

        Raises Problem.
        """
        if self.section.nobits and not fill:
            if self.section.current.zeros + count >= 1 << 32:
                raise Problem(f"{count} bytes do not fit into 32-bit addresses")
            self.section.current.zeros += count
            return
        if count > MAX_BYTES:
            raise Problem(f"{count} bytes are too many for section {self.section.name}")
        self.emit(bytes([fill]) * count, (), statement)

    # -- the object ------------------------------------------------------------------------

    def needs_linker(self) -> bool:
        """Whether the source has what only a linker places, or what may stay undefined."""
        if self.frames.wanted or self.uses_got or self.asked:
            return True
        if any(symbol.is_left_to_a_linker for symbol in self.symbols.values()):
            return True
        return any(
            s.attributes or s.group or s.kind not in (None, 8, 7) or s.flags == "rwx"
            or s.name in (".eh_frame", ".got") for s in self.sections.values() if s.flags
        )  # fmt: skip

    def executable_stack(self) -> bool:
        """As ld decides it from the section .note.GNU-stack."""
        note = self.sections.get(".note.GNU-stack")
        return note is None or "x" in note.letters

    def object_file(self) -> ObjectFile:
        """Everything as an object file, with relocations for what a linker must fill in."""
        emission = Emission(
            self.sections, self.symbols, self.source, self.code.mode.bits, self.tuned
        )
        emission.asked, emission.frames = self.asked, self.frames if self.frames.wanted else None
        return emission.object_file(self.executable_stack())

    # -- statements ------------------------------------------------------------------------

    def run(self, alone: bool = True) -> None:
        """Assemble every statement; `alone` when no linker will add what is undefined.

        Raises AssemblyError with the first MAX_ERRORS errors."""
        found: list[AssemblyError] = []
        while not self.stop and len(found) < MAX_ERRORS:
            statement = self.reader.next()
            if statement is None:
                break
            self.where, self.statement = statement.location, statement
            try:
                self._statement(statement)
            except Problem as problem:
                found.append(
                    error(statement.location, problem.message, self._hint(statement, problem))
                )
            except RecursionError:
                found.append(error(statement.location, "expression is nested too deeply"))
            except AssemblyError as problem:
                problem.more = ()
                found.append(problem)
                if problem.line == statement.location.line:
                    problem.statement = statement.text
                break  # a block without its end: what follows is not what was meant
            if found and found[-1].line == statement.location.line:
                found[-1].statement = statement.text
        if found:
            lines = {(problem.file, problem.line) for problem in found}
            certain = undefined_symbols(self.used_in, self.symbols, certain=True) if alone else []
            found += [p for p in certain if (p.file, p.line) not in lines]
            raise together(found)

    def _hint(self, statement: Statement, problem: Problem) -> str | None:
        text = statement.text
        other = self.intel or '"' in text or text[0] == "."
        bare = None if other else bare_register(text.partition(" ")[2])
        if problem.message.startswith("no size suffix"):
            wide = wide_register(text.partition(" ")[2])
            if wide is not None and not self._is_defined(wide):
                return undefined_hint(wide)
        if problem.message.startswith("no such instruction") and (form := nasm_form(text)):
            return f"that is NASM's; GNU: {form}"
        if bare is None or (problem.hint or "").startswith("AT&T"):
            return problem.hint
        return f"write %{bare}; or, for Intel syntax, .intel_syntax noprefix before it"

    def allocate_commons(self) -> None:
        """Room for .comm at the end of .bss, as ld has it for a single object."""
        for symbol in [symbol for symbol in self.symbols.values() if symbol.common]:
            assert symbol.common is not None
            size, align = symbol.common
            symbol.common = None
            where = symbol.defined_at or self.where
            try:
                self.allocate(symbol.name, size, align, Statement(f".comm {symbol.name}", where))
            except Problem as problem:
                raise error(where, problem.message, problem.hint) from None

    def _statement(self, statement: Statement) -> None:
        text = statement.text
        match = _LABEL.match(text) if ":" in text else None
        while match:
            self.label(match.group(1).strip('"'), statement.location)
            text = text[match.end() :]
            match = _LABEL.match(text)
        if not text:
            return
        assign = _ASSIGN.match(text) if "=" in text else None
        if assign:
            once = assign.group(2) == "=="
            self.assign(assign.group(1), assign.group(3), statement, once)
            return
        pseudo, text = pseudo_prefixes(text) if text[0] == "{" else ([], text)
        word = _WORD.match(text)
        if word is None:
            raise Problem(f"junk `{text[:20]}' where an instruction or directive was expected")
        name, rest = word.group(1).lower(), word.group(2).strip()
        macro = self.reader.macros.get(name)
        if macro is not None:
            self.reader.call(macro, rest, statement.location)
        elif name[0] == ".":
            if self.reader.directive(name, rest, statement):
                return
            if name in (".endm", ".endr"):
                self.warn(f"`{name}' without what it ends")
                return
            if not self.directives.run(name, rest, statement):
                near = difflib.get_close_matches(name, self.directives.names(), 1, 0.8)
                raise Problem(
                    f"unknown or unsupported directive `{name}'",
                    f"did you mean `{near[0]}'?" if near else None,
                )
        else:
            self.code.instruction(name, rest, statement, pseudo)
