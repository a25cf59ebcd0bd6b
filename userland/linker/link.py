"""Objects and archives to a Program: resolve, merge, place, relocate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from userland.assembler.program import Program, Section, Symbol, is_linkers

from . import eh_frame, tls
from . import elf_types as elf
from .archive import Archive
from .errors import LinkError
from .merge import MergeGroup, mergeable
from .objects import InputObject, InputSection, InputSymbol, Relocation
from .places import OutputSection, assign, collect, contents
from .relocate import Addresses, relocate, slot_users
from .resolve import Definition, Linkage, traversal

MAX_UNDEFINED = 20
_DATA = elf.SHF_ALLOC | elf.SHF_WRITE
_KINDS = {elf.STT_OBJECT: "object", elf.STT_FUNC: "func", elf.STT_COMMON: "object"}


@dataclass
class Linked:
    """A linked program. `debug` are the sections for debuggers, relocated, by name; `warnings` are for
    people; `map` is what lies where."""

    program: Program
    debug: dict[str, bytes] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    map: str = ""


def link(
    inputs: Iterable[InputObject | Archive],
    *,
    entry: str = "",
    origin: Mapping[str, int] | None = None,
    output: str = "a.out",
) -> Linked:
    """Link in the order of the command line. `entry` is -e (else `_start`), `origin` fixes addresses of
    output sections (-Ttext). Raises LinkError."""
    linkage = Linkage()
    linkage.add(inputs)
    return _Link(linkage, origin or {}).run(entry, output)


class _Link:
    def __init__(self, linkage: Linkage, origin: Mapping[str, int]) -> None:
        self.linkage = linkage
        self.origin = origin
        self.outputs: list[OutputSection] = []
        self.merged: dict[int, MergeGroup] = {}
        self.special: dict[str, int] = {}
        self.data = 0, 0  # where what is writable begins, and where what has bytes of it ends
        self.slots: dict[tuple[int, str, int], int] = {}
        self.made = InputObject("linker", [], [], [])
        self.got: InputSection | None = None

    def run(self, entry: str, output: str) -> Linked:
        linkage = self.linkage
        sections = [
            (item, section) for item in linkage.objects for section in item.sections
            if section.allocated and not section.dropped and section.kind not in (elf.SHT_GROUP, elf.SHT_NOTE)
        ]  # fmt: skip
        self._check_undefined()
        eh_frame.tidy(
            [(i, s) for i, s in sections if s.name == ".eh_frame"],
            self._leads_nowhere,
            self._identity,
        )
        self._merge([section for _, section in sections])
        needs_base = self._make_got(sections)
        self._allocate_commons()
        made = [s for s in self.made.sections if s.size or s.name == ".got.plt"]
        kept = [s for _, s in sections if s.size or id(s) not in self.merged]
        self.outputs = collect([*kept, *made])
        self.data = assign(self.outputs, self.origin)
        self._define_special(needs_base)
        addresses = Addresses(
            self._address,
            self.special["_GLOBAL_OFFSET_TABLE_"],
            self._slot,
            *self._tls(),
            self._size,
        )
        data = {id(section): relocate(item, section, addresses) for item, section in sections}
        data |= {id(section): bytearray(section.data) for section in made}
        if self.got is not None:
            self._fill_got(data[id(self.got)])
        built = tuple(
            Section(o.name, o.address, contents(o, data), o.size, o.flags, o.align)
            for o in self.outputs if o.size
        )  # fmt: skip
        warnings: list[str] = []
        start = self._entry(entry, warnings)
        program = Program(built, self._symbols(), (), start, output)
        return Linked(program, self._debug(addresses), warnings, self._map(start))

    # -- before addresses --------------------------------------------------------------------------

    def _is_special(self, name: str) -> bool:
        """Whether the linker defines it: the ends of a section only when there is one of that name."""
        wanted = name.removeprefix("__start_").removeprefix("__stop_")
        return is_linkers(name) and (
            wanted == name
            or any(s.name == wanted for item in self.linkage.objects for s in item.sections)
        )

    def _check_undefined(self) -> None:
        missing = [
            (name, item) for name, (item, weak) in self.linkage.undefined.items()
            if not weak and not self._is_special(name)
            and not (name == tls.RESOLVER and self._resolves_itself(name))
        ]  # fmt: skip
        if missing:
            lines = [
                f"{item.name}: undefined symbol `{name}'" for name, item in missing[:MAX_UNDEFINED]
            ]
            if len(missing) > MAX_UNDEFINED:
                lines.append(f"and {len(missing) - MAX_UNDEFINED} more")
            raise LinkError("\n".join(lines), "name the file or library that defines it")

    def _resolves_itself(self, name: str) -> bool:
        """Whether all calls of ___tls_get_addr are ones that are rewritten."""
        for item in self.linkage.objects:
            for section in item.sections:
                done = tls.skipped(section.relocations)
                used = (
                    i
                    for i, r in enumerate(section.relocations)
                    if item.symbols[r.symbol].name == name
                )
                if section.allocated and not section.dropped and not done.issuperset(used):
                    return False
        return True

    def _leads_nowhere(self, item: InputObject, relocation: Relocation) -> bool:
        section = item.section_of(item.symbols[relocation.symbol])
        return section is not None and section.dropped

    def _identity(self, item: InputObject, relocation: Relocation) -> object:
        symbol = item.symbols[relocation.symbol]
        if symbol.binding != elf.STB_LOCAL and symbol.name:
            return symbol.name
        return item.name, symbol.section, symbol.value

    def _merge(self, sections: list[InputSection]) -> None:
        groups: dict[tuple[str, int, int, int], MergeGroup] = {}
        for section in sections:
            if mergeable(section):
                output = ".rodata" if section.name.startswith(".rodata.") else section.name
                key = (output, section.flags, section.entry_size, section.align)
                group = groups.setdefault(key, MergeGroup([]))
                group.sections.append(section)
                self.merged[id(section)] = group
        for group in groups.values():
            group.merge()

    def _make_got(self, sections: list[tuple[InputObject, InputSection]]) -> bool:
        """Room for the slots and for the three words at _GLOBAL_OFFSET_TABLE_, which go when only distances
        from there are used; whether anybody uses it."""
        used = named = False
        for item, section in sections:
            for index in slot_users(item, section, self.linkage.definitions):
                key = self._slot_key(item, item.symbols[index])
                self.slots.setdefault(key, 4 * len(self.slots))
            kinds = {r.kind for r in section.relocations}
            named = named or elf.R_386_GOTPC in kinds
            used = used or elf.R_386_GOTOFF in kinds
        named = named or bool(self.slots)
        if self.slots:
            self.got = self._add(".got", _DATA, elf.SHT_PROGBITS, 4, 4 * len(self.slots))
        if used or named:
            self._add(".got.plt", _DATA, elf.SHT_PROGBITS, 4, 12 if named else 0)
        return used or named

    def _add(self, name: str, flags: int, kind: int, align: int, size: int) -> InputSection:
        data = b"" if kind == elf.SHT_NOBITS else bytes(size)
        section = InputSection(
            "linker", len(self.made.sections), name, kind, flags, align, size, data, 0
        )
        self.made.sections.append(section)
        return section

    def _allocate_commons(self) -> None:
        """One section an object, each filled in the order of ld's symbol table."""
        rooms = {
            id(item): self._add("COMMON", _DATA, elf.SHT_NOBITS, 1, 0)
            for item in self.linkage.objects
        }
        for name in traversal(self.linkage.names):
            definition = self.linkage.definitions.get(name)
            if definition is None or not definition.common:
                continue
            room, align = rooms[id(definition.owner)], max(definition.value, 1)
            definition.section, definition.common = room, False
            definition.value = room.size + -room.size % align
            room.size, room.align = definition.value + definition.size, max(room.align, align)

    # -- addresses ---------------------------------------------------------------------------------

    def _define_special(self, needs_base: bool) -> None:
        by_name = {output.name: output for output in self.outputs}
        last = max((o.end for o in self.outputs), default=0)
        text = by_name.get(".text")
        data_start, data_end = self.data
        last = max(last, data_end)
        got = by_name.get(".got.plt")
        self.special = {
            "_GLOBAL_OFFSET_TABLE_": got.address if got and needs_base else 0,
            "__executable_start": 0x08048000,
            "etext": text.end if text else 0,
            "edata": data_end,
            "__bss_start": data_end,
            "end": last + -last % 4,
            "__ehdr_start": 0x08048000,
            "_TLS_MODULE_BASE_": self._tls()[0],  # of a program: at its offset 0
        }
        for name in ("etext", "edata", "end"):
            self.special[f"_{name}"] = self.special[name]
        self.special["__etext"] = self.special["etext"]
        for array in ("preinit_array", "init_array", "fini_array"):
            output = by_name.get(f".{array}")
            self.special[f"__{array}_start"] = output.address if output else data_start
            self.special[f"__{array}_end"] = output.end if output else data_start
        for name, output in by_name.items():
            if name.isidentifier():
                self.special[f"__start_{name}"] = output.address
                self.special[f"__stop_{name}"] = output.end

    def _tls(self) -> tuple[int, int]:
        """The end of the thread-local template, rounded up to its alignment, and its start."""
        parts = [output for output in self.outputs if output.thread_local]
        if not parts:
            return 0, 0
        start, end = parts[0].address, parts[-1].end
        align = max(output.align for output in parts)
        return start + (end - start + align - 1) // align * align, start

    def _address(self, item: InputObject, symbol: InputSymbol, addend: int) -> tuple[int, int]:
        if symbol.binding != elf.STB_LOCAL and symbol.name:
            definition = self.linkage.definitions.get(symbol.name)
            if definition is None:
                return self.special.get(symbol.name, 0), addend
            return self._defined(definition), addend
        section = item.section_of(symbol)
        if section is None:
            return symbol.value, addend
        group = self.merged.get(id(section))
        if group is not None:
            whole = symbol.kind == elf.STT_SECTION  # what is meant is at its start plus the addend
            home, offset = group.moved(section, (symbol.value + whole * addend) & 0xFFFFFFFF)
            return home.address + offset, 0 if whole else addend
        return section.address + symbol.value, addend

    def _size(self, item: InputObject, symbol: InputSymbol) -> int:
        local = symbol.binding == elf.STB_LOCAL
        definition = None if local else self.linkage.definitions.get(symbol.name)
        return symbol.size if definition is None else definition.symbol.size

    def _defined(self, definition: Definition) -> int:
        section = definition.section
        if section is None:
            return definition.value
        group = self.merged.get(id(section))
        if group is not None:
            home, offset = group.moved(section, definition.value)
            return home.address + offset
        return section.address + definition.value

    def _slot_key(self, item: InputObject, symbol: InputSymbol) -> tuple[int, str, int]:
        if symbol.binding != elf.STB_LOCAL and symbol.name:
            return -1, symbol.name, 0
        return self.linkage.objects.index(item), symbol.name, symbol.section << 32 | symbol.value

    def _slot(self, item: InputObject, symbol: InputSymbol) -> int:
        assert self.got is not None
        return self.got.address + self.slots[self._slot_key(item, symbol)]

    def _fill_got(self, data: bytearray) -> None:
        for (owner, name, place), offset in self.slots.items():
            if owner < 0:
                definition = self.linkage.definitions.get(name)
                value = self._defined(definition) if definition else self.special.get(name, 0)
            else:
                section = self.linkage.objects[owner].sections[place >> 32]
                value = section.address + (place & 0xFFFFFFFF)
            data[offset : offset + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")

    # -- what comes out ----------------------------------------------------------------------------

    def _entry(self, wanted: str, warnings: list[str]) -> int:
        name = wanted or "_start"
        definition = self.linkage.definitions.get(name)
        if definition is not None:
            return self._defined(definition)
        if wanted:
            try:
                return int(wanted, 0)
            except ValueError:
                pass
        text = next(
            (output for output in self.outputs if output.name == ".text" and output.size), None
        )
        if text is None:
            raise LinkError(f"no entry point: `{name}' is not defined, and there is no code")
        warnings.append(f"`{name}' is not defined: the program starts at the first byte of .text")
        return text.address

    def _symbols(self) -> dict[str, Symbol]:
        homes = {id(part): output.name for output in self.outputs for part in output.parts}
        table: dict[str, Symbol] = {}
        for name, definition in sorted(self.linkage.definitions.items()):
            symbol = definition.symbol
            section = homes.get(id(definition.section)) if definition.section is not None else None
            table[name] = Symbol(
                name, self._defined(definition) & 0xFFFFFFFF, section, True, symbol.size,
                _KINDS.get(symbol.kind, "notype"),
            )  # fmt: skip
        for item in self.linkage.objects:
            for symbol in item.symbols:
                section_of = item.section_of(symbol)
                if (
                    symbol.binding != elf.STB_LOCAL or not symbol.name or section_of is None
                    or id(section_of) not in homes or symbol.kind in (elf.STT_SECTION, elf.STT_FILE)
                ):  # fmt: skip
                    continue
                key = symbol.name if symbol.name not in table else f"{symbol.name}@{item.name}"
                address, _ = self._address(item, symbol, 0)
                table.setdefault(key, Symbol(
                    symbol.name, address & 0xFFFFFFFF, homes[id(section_of)], False, symbol.size,
                    _KINDS.get(symbol.kind, "notype"),
                ))  # fmt: skip
        return table

    def _debug(self, addresses: Addresses) -> dict[str, bytes]:
        """Debug sections one behind the other, relocated: an offset in one is from its start."""
        found: dict[str, list[tuple[InputObject, InputSection]]] = {}
        for item in self.linkage.objects:
            for section in item.sections:
                if (
                    section.name.startswith(".debug_")
                    and not section.allocated
                    and not section.dropped
                ):
                    found.setdefault(section.name, []).append((item, section))
        for parts in found.values():
            at = 0
            for _, section in parts:
                at += -at % section.align
                section.address = at
                at += section.size
        debug: dict[str, bytes] = {}
        for name, parts in found.items():
            out = bytearray()
            for item, section in parts:
                out += bytes(section.address - len(out)) + relocate(item, section, addresses)
            debug[name] = bytes(out)
        return debug

    def _map(self, start: int) -> str:
        lines = [f"entry {start:#010x}", ""]
        names: dict[int, list[tuple[int, str]]] = {}
        for name, definition in self.linkage.definitions.items():
            if definition.section is not None:
                names.setdefault(id(definition.section), []).append(
                    (self._defined(definition), name)
                )
        for output in self.outputs:
            if not output.size:
                continue
            lines.append(
                f"{output.name:<16}{output.address:#010x} {output.size:#8x}  {output.flags}"
            )
            for part in output.parts:
                if part.size:
                    lines.append(
                        f"  {part.name:<14}{part.address:#010x} {part.size:#8x}  {part.owner}"
                    )
                    lines += [
                        f"    {at:#010x}  {name}" for at, name in sorted(names.get(id(part), []))
                    ]
            lines.append("")
        return "\n".join(lines)
