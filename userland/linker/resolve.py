"""Which definition each name gets: strong before weak before common, archives on demand, COMDAT once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from . import elf_types as elf
from .archive import Archive
from .errors import LinkError
from .objects import InputObject, InputSection, InputSymbol, read_object


@dataclass
class Definition:
    """What a global name stands for: `section` + `value`, or an absolute value. A common one has its
    size and its alignment (`value`) until it is allocated."""

    name: str
    owner: InputObject
    symbol: InputSymbol
    section: InputSection | None
    value: int
    common: bool = False
    size: int = 0

    @property
    def weak(self) -> bool:
        """A definition that a strong one replaces."""
        return self.symbol.binding == elf.STB_WEAK


@dataclass
class Linkage:
    """What has been taken in so far. `names` has every global name in the order in which it came up."""

    objects: list[InputObject] = field(default_factory=list)
    definitions: dict[str, Definition] = field(default_factory=dict)
    undefined: dict[str, tuple[InputObject, bool]] = field(default_factory=dict)  # first user, weak
    names: dict[str, None] = field(default_factory=dict)
    _groups: set[str] = field(default_factory=set)

    def add(self, inputs: Iterable[InputObject | Archive]) -> None:
        """Take objects and archives in, in the order of the command line, as ld goes through them.

        Raises LinkError.
        """
        for item in inputs:
            if isinstance(item, Archive):
                self._search(item)
            else:
                self._take(item)

    def _search(self, archive: Archive) -> None:
        taken: set[int] = set()
        again = True
        while again:
            again = False
            for name in [n for n, (_, weak) in self.undefined.items() if not weak]:
                at = archive.index.get(name)
                if at is None or at in taken or name not in self.undefined:
                    continue
                taken.add(at)
                member, data = archive.members[at]
                self._take(read_object(data, f"{archive.name}({member})"))
                again = True

    def _take(self, item: InputObject) -> None:
        self.objects.append(item)
        for signature, members in item.groups:
            if signature in self._groups:
                for index in members:
                    item.sections[index].dropped = True
            self._groups.add(signature)
        for symbol in item.symbols:
            if symbol.kind == elf.STT_GNU_IFUNC:
                raise LinkError(
                    f"{item.name}: `{symbol.name}' is an indirect function, which this linker does not do",
                    "link with GNU ld",
                )
            if symbol.binding != elf.STB_LOCAL and symbol.name:
                self._global(item, symbol)

    def _global(self, item: InputObject, symbol: InputSymbol) -> None:
        name = symbol.name
        self.names[name] = None
        section = item.section_of(symbol)
        if symbol.section == elf.SHN_UNDEF or (section is not None and section.dropped):
            self._use(item, symbol)
            return
        common = symbol.section == elf.SHN_COMMON
        new = Definition(name, item, symbol, section, symbol.value, common, symbol.size)
        self._define(item, new)
        base, at, version = name.partition("@")
        if at and version.startswith("@"):  # the default version is what the bare name means, too
            for other in (base, f"{base}@{version[1:]}"):
                if other and other not in self.definitions:
                    self._define(item, replace(new, name=other))

    def _define(self, item: InputObject, new: Definition) -> None:
        name, common = new.name, new.common
        old = self.definitions.get(name)
        if (
            old is None
            or (old.weak and not new.weak)
            or (old.common and not common and not new.weak)
        ):
            self.definitions[name] = new
        elif old.common and common:
            if new.size > old.size:
                old.size, old.owner = new.size, item
            old.value = max(old.value, new.value)
        elif not (new.weak or common or old.common):
            raise LinkError(
                f"`{name}' is defined twice: in {old.owner.name} and in {item.name}",
                "rename one of them, or make it local: leave out its .globl",
            )
        self.undefined.pop(name, None)

    def _use(self, item: InputObject, symbol: InputSymbol) -> None:
        if symbol.name in self.definitions:
            return
        weak = symbol.binding == elf.STB_WEAK
        first, was_weak = self.undefined.get(symbol.name, (item, True))
        self.undefined[symbol.name] = (item if was_weak and not weak else first, weak and was_weak)


def traversal(names: Iterable[str]) -> list[str]:
    """Names in the order in which ld meets them in its hash table (bfd/hash.c: 4051 buckets, each new
    entry first), by which it allocates commons."""
    buckets: dict[int, list[str]] = {}
    for name in names:
        buckets.setdefault(_hash(name) % 4051, []).insert(0, name)
    return [name for index in sorted(buckets) for name in buckets[index]]


def _hash(name: str) -> int:
    data = name.encode("utf-8", "surrogateescape")
    value = 0
    for byte in (*data, None):
        term = len(data) if byte is None else byte
        value = value + term + (term << 17) & 0xFFFFFFFFFFFFFFFF
        value ^= value >> 2
    return value & 0xFFFFFFFF
