"""From fragments to an ObjectFile: bytes, and relocations for what only a linker knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from . import objects
from .asked import Asked
from .cfi import EH_FRAME, HERE, START, FrameTable
from .errors import Problem
from .expressions import (
    GOT_NAME,
    Binary,
    Name,
    Node,
    Number,
    Position,
    Register,
    bind,
    split_modifier,
)
from .fragments import Branch, Fragment, SectionBuild, SymbolBuild
from .hints import undefined_symbol
from .layout import Layout
from .mentioned import free_names
from .objects import ObjectFile, ObjectRelocation, ObjectSection, ObjectSymbol
from .program import LineEntry
from .relax import place_of
from .shapes import Fix
from .source import Location, Statement, error
from .values import Value

#: Before the name of a symbol that stands for the section of an address the linker chooses.
OUTSIDE: Final = "\x02"
_MODIFIED: Final = {
    "GOT": objects.R_386_GOT32, "GOTOFF": objects.R_386_GOTOFF, "GOTPC": objects.R_386_GOTPC,
    "PLT": objects.R_386_PLT32, "NTPOFF": objects.R_386_TLS_LE, "TPOFF": objects.R_386_TLS_LE_32,
    "TLSGD": objects.R_386_TLS_GD, "TLSLDM": objects.R_386_TLS_LDM, "DTPOFF": objects.R_386_TLS_LDO_32,
    "GOTNTPOFF": objects.R_386_TLS_GOTIE, "INDNTPOFF": objects.R_386_TLS_IE,
    "GOTTPOFF": objects.R_386_TLS_IE_32, "TLSDESC": objects.R_386_TLS_GOTDESC,
    "TLSCALL": objects.R_386_TLS_DESC_CALL,
    "SIZE": objects.R_386_SIZE32,
}  # fmt: skip
#: Of these it matters which symbol it is, not only where.
_BY_NAME: Final = frozenset(_MODIFIED) - {"PLT", "GOTOFF", "GOTPC"}
_THREAD_LOCAL: Final = frozenset(
    _MODIFIED[name] for name in _MODIFIED if name not in ("GOT", "GOTOFF", "GOTPC", "PLT", "SIZE")
)
_THROUGH_GOT: Final = frozenset(
    _MODIFIED[name] for name in _MODIFIED if name not in ("PLT", "SIZE")
)
#: A symbol's own slot, for which its section will not do.
_SLOTS: Final = (objects.R_386_GOT32, objects.R_386_GOT32X, 5, 6, 7)
_WIDTHS: Final = {1: objects.R_386_8, 2: objects.R_386_16, 4: objects.R_386_32}
_RELATIVE: Final = {1: objects.R_386_PC8, 2: objects.R_386_PC16, 4: objects.R_386_PC32}


class Emission(Layout):
    """Sections that all start at 0, and a linker to come. `symbols` that are not defined are its."""

    def __init__(
        self, sections: dict[str, SectionBuild], symbols: dict[str, SymbolBuild], source: str,
        bits: int = 32, newer: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(sections, symbols, {}, source, bits, newer)
        self.relocations: dict[str, list[ObjectRelocation]] = {name: [] for name in sections}
        self.used: set[str] = set()
        self.uses_got = False
        self.thread_local: set[str] = set()
        self.frames: FrameTable | None = None
        self.asked: list[Asked] = []

    def _symbol(self, name: str) -> Value:
        symbol = self.symbols.get(name)
        if symbol is not None and symbol.node is not None:
            return super()._symbol(name)
        if "\x01" in name:
            raise undefined_symbol(name, self.symbols)
        if name in self.sections:
            return Value(0, name)
        return Value(0, OUTSIDE + name)

    def _anchor(self, node: Node, by_name: bool = False) -> Value:
        """A node's value; a name that others see stays a name, and so does one into a section that is merged,
        with a distance to it, as gas has it. `by_name`: every name does."""
        kept, addend = node, 0
        while isinstance(kept, Binary) and kept.op in "+-":
            if kept.op == "+" and isinstance(kept.left, Number):
                kept = Binary("+", kept.right, kept.left)
            added = kept.right if isinstance(kept.right, Number) else self._absolute(kept.right)
            if added is None:
                break
            addend += added.value if kept.op == "+" else -added.value
            kept = kept.left
        name = kept.name if isinstance(kept, Name) else None
        met: set[str] = set()
        while name in self.symbols and self.symbols[name].weakref and name not in met:
            met.add(name)
            (name,) = free_names(self.symbols[name].node or Number(0))
        if isinstance(kept, Position):
            name = kept.origin
        symbol = self.symbols.get(name) if name is not None else None
        if symbol is None or symbol.node is None or symbol.name == GOT_NAME:
            return self.value(node)
        if isinstance(kept, Position):
            node_of = symbol.node
            if not isinstance(node_of, Position) or node_of.fragment != kept.fragment:
                return self.value(node)  # it was set anew since
            addend += kept.offset - node_of.offset
        if self._stays_named(symbol, addend, by_name):
            return Value(addend, OUTSIDE + symbol.name)
        return self.value(node)

    def _absolute(self, node: Node) -> Number | None:
        """The number that a symbol was set to after its use."""
        symbol = self.symbols.get(node.name) if isinstance(node, Name) else None
        if symbol is None or symbol.meant is None or symbol.weak:
            return None
        value = self._symbol(symbol.name)
        return Number(value.number) if value.section is None else None

    def _stays_named(self, symbol: SymbolBuild, addend: int, by_name: bool) -> bool:
        if symbol.weak or symbol.indirect:
            return True
        value = super()._symbol(symbol.name)
        home = self.sections.get(value.section or "")
        if home is None or "\x01" in symbol.name:
            return False
        merged = home.attributes & objects.SHF_MERGE and addend
        return symbol.is_global or by_name or bool(merged)

    def _field(self, section: SectionBuild, fix: Fix, end: int, place: int) -> bytes:
        modifier, node = split_modifier(fix.value)
        after = end - place if fix.relative else 0
        if modifier is not None:
            if fix.width != (0 if modifier == "TLSCALL" else 4):
                raise Problem(f"`@{modifier}' needs 4 bytes, not {fix.width}")
            from_here = self._distance(node, section.name) if modifier == "GOTPC" else None
            if from_here is not None:
                kind = _MODIFIED[modifier]
                return self._relocate(
                    section, fix, place, kind, from_here, from_here.number + place
                )
            value = self._anchor(node, modifier in _BY_NAME)
            if modifier == "PLT" and value.section == section.name and fix.relative:
                return super()._field(section, replace(fix, value=Number(value.number)), end, place)
            kind = _MODIFIED[modifier]
            size = self._size_here(value) if modifier == "SIZE" else None
            if size is not None:
                size = Number(size.value & 0xFFFFFFFF)
                return super()._field(section, replace(fix, value=size), end, place)
            if kind in _THREAD_LOCAL:
                self.thread_local.add((value.section or "").removeprefix(OUTSIDE))
            return self._relocate(section, fix, place, kind, value, value.number - after)
        apart = None if fix.relative else self._distance(node, section.name)
        if apart is not None:
            return self._relocate(
                section, fix, place, _RELATIVE[fix.width], apart, apart.number + place
            )
        value = self._anchor(node)
        if value.section == (section.name if fix.relative else None):
            return super()._field(section, replace(fix, value=Number(value.number)), end, place)
        kinds = _RELATIVE if fix.relative else _WIDTHS
        if fix.width not in kinds:
            raise Problem("an address is 32 bits wide", "use .long")
        return self._relocate(section, fix, place, kinds[fix.width], value, value.number - after)

    def _size_here(self, value: Value) -> Number | None:
        """A symbol's size, and what is added to it, when no other object can change it."""
        symbol = self.symbols.get((value.section or "").removeprefix(OUTSIDE))
        if symbol is None or symbol.node is None or symbol.is_global or symbol.weak:
            return None
        return Number(self.value(symbol.size or Number(0)).number + value.number)

    def _relocate(
        self, section: SectionBuild, fix: Fix, place: int, kind: int, value: Value, addend: int
    ) -> bytes:
        home = value.section or ""
        outside = home.startswith(OUTSIDE)
        name = home.removeprefix(OUTSIDE)
        if outside:
            self.used.add(name)
        self.uses_got = self.uses_got or kind in _THROUGH_GOT
        if kind != objects.R_386_GOTPC or outside or home:
            self.relocations[section.name].append(
                ObjectRelocation(place, kind, name, section=bool(home) and not outside)
            )
        return (addend & ((1 << 8 * fix.width) - 1)).to_bytes(fix.width, "little")

    def _distance(self, node: Node, here: str) -> Value | None:
        """`x - .`: the address of x with the distance to here as its addend, when x is elsewhere."""
        if not isinstance(node, Binary) or node.op not in "+-":
            return None
        if isinstance(node.right, Number):
            inner = self._distance(node.left, here)
            sign = 1 if node.op == "+" else -1
            return inner and Value(inner.number + sign * node.right.value, inner.section)
        if node.op == "-":
            try:
                left, right = self.value(node.left), self.value(node.right)
                if right.section != here:
                    return None
                beside = left.section == here
                left = self._anchor(node.left)
                if beside and not self._is_indirect(left):
                    return None
            except Problem:
                return None
            return Value(left.number - right.number, left.section)
        return None

    def _is_here(self, place: Position | None, target: Node, section: str) -> bool:
        """Whether a jump's target is in its own section: a place, or a sum that gas only takes for one in the
        end."""
        if place is not None:
            return place.section == section
        if not isinstance(target, Binary) or isinstance(target.right, Number):
            return False
        return self.value(target).section == section

    def _is_indirect(self, value: Value) -> bool:
        symbol = self.symbols.get((value.section or "").removeprefix(OUTSIDE))
        return symbol is not None and symbol.indirect

    def _tail(self, section: SectionBuild, fragment: Fragment, place: int) -> bytes:
        tail = fragment.tail
        if isinstance(tail, Branch) and tail.long:
            at, width = place + len(tail.near), tail.width
            fix = Fix(0, width, tail.target, True)
            target = place_of(tail.target, self.symbols)
            try:
                if self._is_here(target, tail.target, section.name):
                    return tail.near + super()._field(section, fix, at + width, at)
                return tail.near + self._field(section, fix, at + width, at)
            except Problem as problem:
                raise error(tail.statement.location, problem.message, problem.hint) from None
        return super()._tail(section, fragment, place)

    # -- the whole -------------------------------------------------------------------------

    def object_file(self, executable_stack: bool) -> ObjectFile:
        """Settle all sizes and write all bytes and relocations."""
        self.settle()
        self._values.clear()
        self._unwind()
        built = []
        lines: list[tuple[str, LineEntry]] = []
        bodies = {s.name: b"" if s.nobits else self._bytes(s) for s in self.sections.values()}
        for asked in self.asked:
            try:
                self._ask(asked, bodies)
            except Problem as problem:
                where = asked.statement.location
                raise error(where, problem.message, problem.hint) from None
        symbols = self._object_symbols()
        for section in self.sections.values():
            data = bodies[section.name]
            relocations = [
                replace(r, kind=objects.R_386_GOT32X) if r.kind == objects.R_386_GOT32
                and _shortens(data, r.offset) else r for r in self.relocations[section.name]
            ]  # fmt: skip
            kind = section.kind or (objects.SHT_NOBITS if section.nobits else objects.SHT_PROGBITS)
            flags = section.attributes
            flags |= objects.SHF_ALLOC if section.flags else 0
            flags |= objects.SHF_WRITE if "w" in section.flags else 0
            flags |= objects.SHF_EXECINSTR if "x" in section.flags else 0
            built.append(ObjectSection(section.name, kind, flags, section.align, section.size, data,
                                       section.entry_size, section.group, relocations))  # fmt: skip
            entries: list[LineEntry] = []
            if section.flags:
                self._lines(section, entries)
            lines += [(section.name, entry) for entry in entries]
        return ObjectFile(self.source, built, symbols, lines, executable_stack)

    def _ask(self, asked: Asked, bodies: dict[str, bytes]) -> None:
        """A relocation of .reloc. gas leaves a label its name, and adds its address to an addend that is
        not 0; here a local one is its section and an offset."""
        where = self.value(asked.at)
        if where.section not in bodies:
            raise Problem("the place of a relocation is a label, or a number of bytes")
        body, name, by_section = bytearray(bodies[where.section]), "", False
        if asked.target is None:
            asked.fill(body, where.number, 0)
        else:
            value = self._anchor(asked.target, asked.kind in _SLOTS)
            name = (value.section or "").removeprefix(OUTSIDE)
            by_section = bool(name) and name == value.section
            label = _label(asked.target)
            own = self._own_value(label) if label is not None else 0
            addend = value.number - (own if by_section else 0)
            if label is not None and addend:
                addend += own
            # A number has neither a symbol nor an addend.
            asked.fill(body, where.number, addend if name else 0, own if by_section else 0)
        bodies[where.section] = bytes(body)
        if not by_section:
            self.used.add(name)
        self.relocations[where.section].append(
            ObjectRelocation(where.number, asked.kind, name, section=by_section)
        )

    def _own_value(self, name: str) -> int:
        """Of a symbol that is this object's; 0 of one that is not."""
        symbol = self.symbols.get(name)
        return super()._symbol(name).number if symbol is not None and symbol.node is not None else 0

    def _unwind(self) -> None:
        """The sections of call frames, now that the code has its sizes."""
        for name in self.frames.sections if self.frames is not None else ():
            self._unwind_in(name)

    def _unwind_in(self, name: str) -> None:
        assert self.frames is not None
        data, fixes = self.frames.section(lambda a, b: self._place(b) - self._place(a), name)
        flags = "r" if name == EH_FRAME else ""
        section = self.sections.setdefault(name, SectionBuild(name, flags, False))
        self.relocations.setdefault(name, [])
        section.align = 4
        fragment = section.current
        start = fragment.length
        where = Statement(".cfi_endproc", Location(self.source, 0))
        for fix in fixes:
            places = {
                HERE: Position(name, fragment.index, start + fix.offset),
                START: Position(name, fragment.index, start),
            }
            value = bind(fix.value, lambda one, places=places: places.get(one, Name(one)))  # type: ignore[misc]
            fragment.fixes.append(
                (Fix(start + fix.offset, fix.width, value), start + fix.offset + fix.width, where)
            )
        fragment.data += data
        section.size += len(data)

    def _object_symbols(self) -> list[ObjectSymbol]:
        table = []
        groups = {section.group for section in self.sections.values()}
        for name, symbol in sorted(self.symbols.items()):
            if "\x01" in name or (name.startswith(".L") and name not in self.used):
                continue
            if symbol.weakref or isinstance(symbol.node, Register):
                continue
            binding = objects.STB_WEAK if symbol.weak else objects.STB_GLOBAL
            where = symbol.defined_at or symbol.used_at or Location(self.source, 0)
            try:
                size = self.value(symbol.size).number if symbol.size is not None else 0
                if symbol.common is not None:
                    room, align = symbol.common
                    table.append(ObjectSymbol(name, None, align, room, binding, "object",
                                              symbol.visibility, True))  # fmt: skip
                    continue
                if symbol.node is None and name in self.sections:
                    continue  # the section's own symbol
                if symbol.node is None:
                    if symbol.weakly and symbol.used_at is None and not symbol.is_global:
                        binding = objects.STB_WEAK
                    if name in self.used or symbol.used_at or symbol.is_global or symbol.weak:
                        kind = "tls_object" if name in self.thread_local else symbol.kind
                        table.append(
                            ObjectSymbol(name, None, 0, 0, binding, kind, symbol.visibility)
                        )
                    continue
                value = self._final(symbol)
            except Problem as problem:
                raise error(where, problem.message, problem.hint) from None
            if (value.section or "").startswith(OUTSIDE):
                continue  # whoever uses it uses what it stands for
            if not (symbol.is_global or symbol.weak):
                binding = objects.STB_LOCAL
            home = self.sections.get(value.section or "")
            thread_local = home is not None and home.attributes & objects.SHF_TLS
            kind = "tls_object" if thread_local else symbol.kind
            table.append(ObjectSymbol(name, value.section or "", value.number, size, binding,
                                      kind, symbol.visibility))  # fmt: skip
        table = self._versioned(table)
        known = {symbol.name for symbol in table}
        if self.uses_got and GOT_NAME not in known:
            table.append(ObjectSymbol(GOT_NAME, None, 0, 0, objects.STB_GLOBAL, "notype"))
        table += [
            ObjectSymbol(group, "", 0, 0, objects.STB_LOCAL, "notype")
            for group in sorted(groups - {None}, key=str) if group is not None and group not in known
        ]  # fmt: skip
        return table

    def _versioned(self, table: list[ObjectSymbol]) -> list[ObjectSymbol]:
        """Symbols under the names that `.symver` gave them: what is undefined has only that one, what is
        defined its own, too, except for `@@@`."""
        renamed: dict[str, str] = {}
        out = []
        for item in table:
            known = self.symbols.get(item.name)
            versions = known.versions if known is not None else []
            keeps = True
            for version in versions:
                base, at, number = version.partition("@")
                last = at + number.lstrip("@")
                if number.startswith("@@"):
                    version = base + ("" if item.section is None else "@") + last
                if item.section is None or number.startswith("@@"):
                    renamed[item.name], keeps = version, False
                out.append(replace(item, name=version))
            if keeps:
                out.append(item)
        for relocations in self.relocations.values():
            relocations[:] = [
                r if r.section or r.symbol not in renamed else replace(r, symbol=renamed[r.symbol])
                for r in relocations
            ]
        return out


def _label(node: Node) -> str | None:
    """The name that an address has in the object, if it has one."""
    while isinstance(node, Binary):
        node = node.left
    name = node.name if isinstance(node, Name) else None
    if isinstance(node, Position):
        name = node.origin
    return None if name is None or name.startswith(".L") or "\x01" in name else name


def _shortens(data: bytes, at: int) -> bool:
    """Whether the field at `at` is the address of an instruction whose GOT access a linker may shorten."""
    if at < 2 or data[at - 1] & 0xC7 == 0x04 or data[at - 1] & 7 == 4:
        return False
    opcode, modrm = data[at - 2], data[at - 1]
    if opcode == 0xFF:
        return modrm & 0x38 in (0x10, 0x20)
    return opcode in (0x8B, 0x85) or opcode & 0xC7 == 0x03
