"""linux-gate.so.1 around its text: the shared object that a dynamic linker, an unwinder and a debugger find
in the vDSO's page. It is laid out from 0, holds nothing that has to be relocated, and fits one page."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from emu.ram import PAGE_SIZE
from emu.record import dataclass

SONAME = "linux-gate.so.1"
#: Which version each name has (vdso32.lds.S).
VERSIONS = {
    "LINUX_2.5": ("__kernel_vsyscall", "__kernel_sigreturn", "__kernel_rt_sigreturn"),
    "LINUX_2.6": (
        *("__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"),
        *("__vdso_clock_gettime64", "__vdso_clock_getres", "__vdso_getcpu"),
    ),
}
_EHDR, _PHDR, _SHDR, _SYM, _DYN = 52, 32, 40, 16, 8
_PT_LOAD, _PT_DYNAMIC, _PT_NOTE, _PT_GNU_EH_FRAME = 1, 2, 4, 0x6474E550
_FUNC, _OBJECT = 0x12, 0x11  # STB_GLOBAL, and the type
_SHN_ABS = 0xFFF1
_DT = {
    "HASH": 4,
    "STRTAB": 5,
    "SYMTAB": 6,
    "STRSZ": 10,
    "SYMENT": 11,
    "SONAME": 14,
    "SYMBOLIC": 16,
    "VERSYM": 0x6FFFFFF0,
    "VERDEF": 0x6FFFFFFC,
    "VERDEFNUM": 0x6FFFFFFD,
}


@dataclass(frozen=True)
class VdsoText:
    """What vdso.S was assembled to, from 0: bytes, and by name where each function is and how long."""

    code: bytes
    functions: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Section:
    """A row of the table of sections; `kind` is SHT_."""

    name: str
    kind: int
    flags: int
    data: bytes
    align: int = 4
    link: int = 0
    info: int = 0
    entsize: int = 0


def elf_hash(name: str) -> int:
    """The hash function of the ABI."""
    h = 0
    for byte in name.encode():
        h = (h << 4) + byte
        high = h & 0xF0000000
        h = (h ^ high >> 24) & ~high
    return h


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        at = self.data.find(b"\0" + text.encode() + b"\0") + 1
        if not at and text:
            at = len(self.data)
            self.data += text.encode() + b"\0"
        return at


def _hash_table(names: Sequence[str]) -> bytes:
    """DT_HASH of symbols 1, 2, …; symbol 0 is none."""
    buckets, chains = [0] * 3, [0] * (len(names) + 1)
    for index, name in reversed(list(enumerate(names, 1))):
        bucket = elf_hash(name) % len(buckets)
        chains[index], buckets[bucket] = buckets[bucket], index
    words = [len(buckets), len(chains), *buckets, *chains]
    return struct.pack(f"<{len(words)}I", *words)


def _version_definitions(strings: _Strings, versions: Sequence[str]) -> bytes:
    parts = []
    for number, name in enumerate((SONAME, *versions), 1):
        following = 28 if number <= len(versions) else 0
        head = (1, int(number == 1), number, 1, elf_hash(name), 20, following)
        parts.append(struct.pack("<4H3I", *head) + struct.pack("<2I", strings.add(name), 0))
    return b"".join(parts)


# -- unwinding out of a signal frame ---------------------------------------------------------------

#: DWARF's number of a register, and its offset in struct sigcontext.
_SAVED = {0: 44, 1: 40, 2: 36, 3: 32, 5: 24, 6: 20, 7: 16, 8: 56}
_SIGCONTEXT_SP = 28
#: From the stack pointer in __kernel_rt_sigreturn: 12 bytes of the frame, siginfo, 20 bytes of ucontext.
_SIGCONTEXT_OF_RT_FRAME = 12 + 128 + 20


def _sleb(value: int) -> bytes:
    out = b""
    while True:
        byte, value = value & 0x7F, value >> 7
        if value in (0, -1) and bool(byte & 0x40) == (value == -1):
            return out + bytes((byte,))
        out += bytes((byte | 0x80,))


def _frame_rules(offset: int) -> bytes:
    """Every register is in the sigcontext at %esp + offset; the frame's address is the %esp saved there."""
    block = b"\x74" + _sleb(offset + _SIGCONTEXT_SP) + b"\x06"  # DW_OP_breg4, DW_OP_deref
    rules = b"\x0f" + bytes((len(block),)) + block  # DW_CFA_def_cfa_expression
    for register, at in _SAVED.items():
        block = b"\x74" + _sleb(offset + at)
        rules += b"\x10" + bytes((register, len(block))) + block  # DW_CFA_expression
    return rules


def _entry(body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<I", len(body)) + body


def _eh_frame(address: int, functions: Mapping[str, tuple[int, int]]) -> bytes:
    """`address` is the section's; `functions` are linear. Unwinders look up a return address minus 1, which
    must still be inside: each range begins one byte early, as in Linux's own."""
    out = _entry(b"\0\0\0\0\x01zRS\0\x01\x7c\x08\x01\x1b")
    for name, rules in (
        ("__kernel_sigreturn", _frame_rules(4) + b"\x42" + _frame_rules(0)),  # behind nop and popl
        ("__kernel_rt_sigreturn", _frame_rules(_SIGCONTEXT_OF_RT_FRAME)),
    ):
        start, size = functions[name]
        here = len(out) + 8
        head = struct.pack("<IiI", len(out) + 4, start - 1 - (address + here), size + 1)
        out += _entry(head + b"\0" + rules)
    return out + b"\0\0\0\0"


# -- the whole -------------------------------------------------------------------------------------


class _Linkage:
    """What the dynamic linker reads, for the functions of these names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.versions = [v for v, theirs in VERSIONS.items() if set(theirs) & set(names)]
        self.strings = _Strings()
        self.verdef = _version_definitions(self.strings, self.versions)
        for name in (*names, *self.versions):
            self.strings.add(name)
        self.hash = _hash_table((*names, *self.versions))

    @property
    def versym(self) -> bytes:
        """The number of each symbol's version."""
        of_name = {name: 2 + i for i, v in enumerate(self.versions) for name in VERSIONS[v]}
        numbers = [0, *(of_name[name] for name in self.names)]
        numbers += [2 + i for i in range(len(self.versions))]
        return struct.pack(f"<{len(numbers)}H", *numbers)

    def symbols(self, functions: Mapping[str, tuple[int, int]], section: int) -> bytes:
        """.dynsym; `section` is the text's number."""
        rows = [(0, 0, 0, 0, 0, 0)]
        for name in self.names:
            value, size = functions.get(name, (0, 0))
            rows.append((self.strings.add(name), value, size, _FUNC, 0, section))
        rows += [(self.strings.add(name), 0, 0, _OBJECT, 0, _SHN_ABS) for name in self.versions]
        return b"".join(struct.pack("<IIIBBH", *row) for row in rows)

    def dynamic(self, place: Mapping[str, int]) -> bytes:
        """.dynamic, with the addresses of the other sections."""
        values = {
            "SONAME": self.strings.add(SONAME),
            "SYMBOLIC": 0,
            "HASH": place.get(".hash", 0),
            "STRTAB": place.get(".dynstr", 0),
            "SYMTAB": place.get(".dynsym", 0),
            "STRSZ": len(self.strings.data),
            "SYMENT": _SYM,
            "VERDEF": place.get(".gnu.version_d", 0),
            "VERDEFNUM": 1 + len(self.versions),
            "VERSYM": place.get(".gnu.version", 0),
        }
        pairs = (struct.pack("<2I", _DT[name], value) for name, value in values.items())
        return b"".join(pairs) + bytes(_DYN)


def _sections(
    linkage: _Linkage, text: VdsoText, note: bytes, place: Mapping[str, int]
) -> list[Section]:
    """All that is mapped, in order. Their sizes do not depend on `place`, where each of them is."""
    base, frames, header = (place.get(n, 0) for n in (".text", ".eh_frame", ".eh_frame_hdr"))
    functions = {name: (base + at, size) for name, (at, size) in text.functions.items()}
    versions = 1 + len(linkage.versions)
    eh_frame_hdr = struct.pack("<4Bi", 1, 0x1B, 0xFF, 0xFF, frames - (header + 4))  # no table
    return [
        Section(".hash", 5, 2, linkage.hash, link=2, entsize=4),
        Section(".dynsym", 11, 2, linkage.symbols(functions, 10), link=3, info=1, entsize=_SYM),
        Section(".dynstr", 3, 2, linkage.strings.data, align=1),
        Section(".gnu.version", 0x6FFFFFFF, 2, linkage.versym, align=2, link=2, entsize=2),
        Section(".gnu.version_d", 0x6FFFFFFD, 2, linkage.verdef, link=3, info=versions),
        Section(".dynamic", 6, 3, linkage.dynamic(place), link=3, entsize=_DYN),
        Section(".note", 7, 2, note),
        Section(".eh_frame_hdr", 1, 2, eh_frame_hdr),
        Section(".eh_frame", 1, 2, _eh_frame(frames, functions)),
        Section(".text", 1, 6, text.code, align=16),
    ]


def _lay_out(sections: Sequence[Section]) -> dict[str, int]:
    place: dict[str, int] = {}
    at = _EHDR + 4 * _PHDR
    for section in sections:
        place[section.name] = at = -(-at // section.align) * section.align
        at += len(section.data)
    return place


def vdso_image(text: VdsoText, names: Sequence[str], release: str) -> tuple[bytes, dict[str, int]]:
    """The object with the functions of these names, for a kernel of this release; and where each is.

    Raises ValueError when it is longer than a page.
    """
    major, minor, patch = (int(part) for part in release.split("."))
    note = struct.pack("<3I8sI", 6, 4, 0, b"Linux", major << 16 | minor << 8 | patch)
    linkage = _Linkage(names)
    place = _lay_out(_sections(linkage, text, note, {}))
    sections = _sections(linkage, text, note, place)
    end = place[".text"] + len(text.code)
    section_names = _Strings()
    for section in sections:
        section_names.add(section.name)
    own_name = section_names.add(".shstrtab")
    rows = [(0,) * 10]
    for section in sections:
        head = (section_names.add(section.name), section.kind, section.flags)
        at, size = place[section.name], len(section.data)
        rest = (section.link, section.info, section.align, section.entsize)
        rows.append((*head, at, at, size, *rest))
    rows.append((own_name, 3, 0, 0, end, len(section_names.data), 0, 0, 1, 0))
    table = -(-(end + len(section_names.data)) // 4) * 4

    data = {section.name: section.data for section in sections}
    segments = [(_PT_LOAD, 0, end, 5, PAGE_SIZE)]
    for kind, name in (
        (_PT_DYNAMIC, ".dynamic"),
        (_PT_NOTE, ".note"),
        (_PT_GNU_EH_FRAME, ".eh_frame_hdr"),
    ):
        segments.append((kind, place[name], len(data[name]), 4, 4))
    entry = place[".text"] + text.functions[names[0]][0]
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    counts = (_EHDR, _PHDR, len(segments), _SHDR, len(rows), len(rows) - 1)
    parts = {0: struct.pack("<16s2H5I6H", ident, 3, 3, 1, entry, _EHDR, table, 0, *counts)}
    parts[_EHDR] = b"".join(
        struct.pack("<8I", kind, at, at, at, size, size, flags, align)
        for kind, at, size, flags, align in segments
    )
    parts |= {place[name]: contents for name, contents in data.items()}
    parts[end] = section_names.data
    parts[table] = b"".join(struct.pack("<10I", *row) for row in rows)
    image = b""
    for at, contents in sorted(parts.items()):
        image = image.ljust(at, b"\0") + contents
    if len(image) > PAGE_SIZE:
        raise ValueError(f"the vDSO has {len(image)} bytes, more than a page")
    return image, {name: place[".text"] + text.functions[name][0] for name in names}
