"""Output sections and their addresses, by GNU ld's default script for elf_i386 (-static, ET_EXEC)."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from . import elf_types as elf
from .errors import LinkError
from .objects import InputSection

TEXT_BASE: Final = 0x08049000
PAGE: Final = 0x1000

#: Output section, and which input sections go in: each group in input order, the groups one after another.
_RULES: Final[tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]] = (
    (".init", ((".init",),)),
    (".text", (
        (".text.unlikely", ".text.*_unlikely", ".text.unlikely.*"),
        (".text.exit", ".text.exit.*"),
        (".text.startup", ".text.startup.*"),
        (".text.hot", ".text.hot.*"),
        (".text", ".stub", ".text.*", ".gnu.linkonce.t.*"),
    )),
    (".fini", ((".fini",),)),
    (".rodata", ((".rodata", ".rodata.*", ".gnu.linkonce.r.*"),)),
    (".rodata1", ((".rodata1",),)),
    (".eh_frame", ((".eh_frame", ".eh_frame.*"),)),
    (".gcc_except_table", ((".gcc_except_table", ".gcc_except_table.*"),)),
    (".tdata", ((".tdata", ".tdata.*", ".gnu.linkonce.td.*"),)),
    (".tbss", ((".tbss", ".tbss.*", ".gnu.linkonce.tb.*", ".tcommon"),)),
    (".preinit_array", ((".preinit_array",),)),
    (".init_array", ((".init_array.*", ".ctors.*"), (".init_array", ".ctors"))),
    (".fini_array", ((".fini_array.*", ".dtors.*"), (".fini_array", ".dtors"))),
    (".data.rel.ro", ((".data.rel.ro.local*",), (".data.rel.ro", ".data.rel.ro.*"))),
    (".got", ((".got",),)),
    (".got.plt", ((".got.plt",),)),
    (".data", ((".data", ".data.*", ".gnu.linkonce.d.*"),)),
    (".data1", ((".data1",),)),
    (".bss", ((".bss", ".bss.*", ".gnu.linkonce.b.*"), ("COMMON",))),
)  # fmt: skip
_RELRO: Final = frozenset(
    (
        ".gcc_except_table", ".tdata", ".tbss", ".preinit_array", ".init_array", ".fini_array",
        ".data.rel.ro", ".got",
    )
)  # fmt: skip
#: Behind which section one that no rule names is placed.
_ORPHANS: Final = {"rx": ".fini", "r": ".rodata", "rw": ".data1", "bss": ".bss"}


@dataclass
class OutputSection:
    """`flags` is 'rx', 'r' or 'rw'; addresses are linear, sizes and `align` in bytes."""

    name: str
    flags: str
    parts: list[InputSection] = field(default_factory=list)
    address: int = 0
    size: int = 0
    align: int = 1
    nobits: bool = True

    @property
    def end(self) -> int:
        """First linear address behind the section."""
        return self.address + self.size

    @property
    def thread_local(self) -> bool:
        """Whether it is part of the template of thread-local storage (SHF_TLS)."""
        return any(part.flags & elf.SHF_TLS for part in self.parts)


def _kind(section: InputSection) -> str:
    if section.flags & elf.SHF_EXECINSTR:
        return "rx"
    if not section.flags & elf.SHF_WRITE:
        return "r"
    return "rw"


def collect(sections: list[InputSection]) -> list[OutputSection]:
    """The output sections in memory order, each with its input sections in order."""
    rank = {name: index for index, (name, _) in enumerate(_RULES)}
    found: dict[str, OutputSection] = {}
    groups: dict[str, list[list[InputSection]]] = {}
    orphans: dict[str, int] = {}
    for section in sections:
        name, group = _rule(section)
        output = found.get(name)
        if output is None:
            output = found[name] = OutputSection(name, _kind(section))
            groups[name] = [[] for _ in range(8)]
            if name not in rank:
                orphans[name] = len(orphans)
        if "w" not in output.flags and _kind(section) != output.flags:
            output.flags = "rx" if "x" in _kind(section) + output.flags else _kind(section)
        groups[name][group].append(section)
    for name, output in found.items():
        output.parts = [part for group in groups[name] for part in _sorted(name, group)]

    def place(output: OutputSection) -> tuple[int, int]:
        if output.name in rank:
            return rank[output.name], -1
        empty = all(part.kind == elf.SHT_NOBITS for part in output.parts)
        behind = _ORPHANS["bss" if empty and output.flags == "rw" else output.flags]
        return rank[behind], orphans[output.name]

    return sorted(found.values(), key=place)


def _sorted(name: str, group: list[InputSection]) -> list[InputSection]:
    """Initializers with a priority come by it, the lowest first."""
    if name not in (".init_array", ".fini_array"):
        return group
    return sorted(
        group, key=lambda s: int(tail) if (tail := s.name.rpartition(".")[2]).isdigit() else 0
    )


def _rule(section: InputSection) -> tuple[str, int]:
    for name, groups in _RULES:
        for index, patterns in enumerate(groups):
            if any(fnmatch.fnmatchcase(section.name, pattern) for pattern in patterns):
                return name, index
    return section.name, 0


def assign(outputs: list[OutputSection], origin: Mapping[str, int]) -> tuple[int, int]:
    """Give every output section its address; `origin` fixes some by name. Raises LinkError.

    Where what is writable begins, and where what has bytes of it ends: ld's dot there, whatever .bss does.
    """
    for output in outputs:
        measure(output)
    cursor = TEXT_BASE
    previous, protected = "", 0
    start: int | None = None
    filled: int | None = None
    for index, output in enumerate(outputs):
        # The GOT's base has a place also where nothing lies there.
        counts = bool(output.size) or output.name == ".got.plt"
        if output.name in origin:
            cursor = origin[output.name]
        elif previous and output.flags != previous and counts:
            if output.flags == "rw":
                framed = any(o.name == ".eh_frame" and o.size for o in outputs[:index])
                cursor, protected = _data_start(cursor, previous, outputs[index:], framed)
            else:
                cursor += -cursor % PAGE
        if output.name not in _RELRO and output.flags == "rw" and counts:
            cursor, protected = max(cursor, protected), 0
        if output.flags == "rw" and counts and start is None:
            start = cursor
        if output.name == ".bss" and counts:
            filled = cursor
        cursor += -cursor % output.align
        output.address = cursor
        if output.name == ".bss" and output.size:
            output.size += -(cursor + output.size) % 4
        if counts:
            previous = output.flags
        if not (output.thread_local and output.nobits):  # .tbss takes no room
            cursor += output.size
        if cursor > 1 << 32:
            raise LinkError(
                f"section {output.name} ({output.size} bytes) does not fit into 32-bit addresses"
            )
    for output in outputs:
        at = output.address
        for part in output.parts:
            at += -at % part.align
            part.address, part.placed = at, True
            at += part.size
    if start is None:
        start = _data_start(cursor, previous, [], False)[0]
        cursor = start
    return start, cursor if filled is None else filled


def measure(output: OutputSection) -> None:
    """Size, alignment and whether it has bytes, from its parts."""
    output.size = 0
    for part in output.parts:
        output.align = max(output.align, part.align)
        output.size += -output.size % part.align + part.size
        output.nobits = output.nobits and part.kind == elf.SHT_NOBITS


def _data_start(
    cursor: int, previous: str, outputs: list[OutputSection], framed: bool
) -> tuple[int, int]:
    """Where the first writable section may begin (ld's DATA_SEGMENT_ALIGN, RELRO_END and END), and where what
    stays writable does at the earliest.

    On the next page at the same offset, so that the file needs no padding; at the page's start when that
    saves a page of memory; and what is only written at start-up ends at a page. Where ld has gone through
    unwind tables (`framed`), its second look at the sizes keeps no offset.
    """
    if previous == "rx":  # the constants, of which there are none, begin a page
        cursor += -cursor % PAGE
    aligned = cursor + -cursor % PAGE
    relro = [o for o in outputs if o.name in _RELRO and o.size]
    # The three words at the GOT's base belong to it: only what follows them is written later.
    words = next((12 for o in outputs if o.name == ".got.plt" and o.size >= 12), 0)
    if any(not (o.thread_local and o.nobits) for o in relro) or (words and framed):
        end = _end(aligned, relro) + words
        desired = end + -end % PAGE - words
        for output in reversed(relro):
            desired -= 0 if output.thread_local and output.nobits else output.size
            desired -= desired % output.align
        return desired, end + -end % PAGE - words
    if framed:
        return aligned, 0
    start = aligned + cursor % PAGE
    end = _end(start, outputs)
    first, last = -start % PAGE, end % PAGE
    saves = first and last and start // PAGE != end // PAGE and first + last <= PAGE
    return aligned if saves else start, 0


def _end(start: int, outputs: list[OutputSection]) -> int:
    at = start
    for output in outputs:
        at += -at % output.align
        if not (output.thread_local and output.nobits):
            at += output.size
        if output.name == ".bss" and output.size:
            at += -at % 4
    return at


def contents(output: OutputSection, data: Mapping[int, bytearray]) -> bytes:
    """Its bytes; `data` has the relocated bytes of each part by identity. Gaps in code are nops."""
    if output.nobits:
        return b""
    out = bytearray()
    for part in output.parts:
        gap = part.address - output.address - len(out)
        out += (
            b"\x66\x90" * (gap // 2) + b"\x90" * (gap % 2) if output.flags == "rx" else bytes(gap)
        )
        out += data[id(part)] if part.kind != elf.SHT_NOBITS else bytes(part.size)
    return bytes(out)
