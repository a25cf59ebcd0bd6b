"""Fragments: what a section is made of before its addresses are known.

A fragment is a run of bytes of known length, ended by at most one thing whose length depends on
layout: a jump, an alignment, an .org or a .space. Labels are offsets into fragments, so the
distance of two labels is known early exactly when gas knows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from .expressions import Node, Position
from .program import is_linkers
from .shapes import Fix
from .source import Location, Statement

MAX_BYTES: Final = 64 << 20
# The jumps below an alignment of code are skipped by one jump beyond this many bytes.
MAX_PADDING_NOPS: Final = 20
# Intel SDM vol. 2 has no such list: these are the no-effect forms of nop, xchg and lea by length.
NOPS: Final = tuple(
    bytes.fromhex(text)
    for text in (
        "",
        "90",
        "6690",
        "8d7600",
        "8d742600",
        "8d74260090",
        "8db600000000",
        "8db42600000000",
    )
)
#: Those of CPUs that have the instruction `nop` with an operand (SDM vol. 2, NOP, table 4-12).
LONG_NOPS: Final = tuple(
    bytes.fromhex(text)
    for text in (
        "",
        "90",
        "6690",
        "0f1f00",
        "0f1f4000",
        "0f1f440000",
        "660f1f440000",
        "0f1f8000000000",
        "0f1f840000000000",
        "660f1f840000000000",
        "662e0f1f840000000000",
        "66662e0f1f840000000000",
    )
)
MAX_PADDING_LONG_NOPS: Final = 87
# The same for code of 16 bits; gas has four, and jumps over more than eleven bytes of them.
NOPS16: Final = tuple(bytes.fromhex(text) for text in ("", "90", "6690", "8d7400", "8db40000"))
MAX_PADDING_NOPS16: Final = 11


@dataclass
class Branch:
    """A jump of two or more bytes: short while it reaches, else with an offset of `width` bytes."""

    opcode: int
    target: Node
    statement: Statement
    line: Statement
    width: int = 4
    long: bool = False

    @property
    def near(self) -> bytes:
        """The opcode of the long form."""
        return b"\xe9" if self.opcode == 0xEB else bytes([0x0F, self.opcode + 0x10])


@dataclass(frozen=True)
class Align:
    """Padding to a multiple of `boundary` bytes, unless it takes more than `limit`."""

    boundary: int
    fill: bytes | None
    limit: int
    #: Whether code is padded with newer CPUs' long no-operations; None: as the last CPU of the source is.
    newer: bool | None = None


@dataclass(frozen=True)
class Org:
    """Padding up to an offset in the section."""

    target: Node
    fill: int
    location: Location


@dataclass(frozen=True)
class Space:
    """`count` bytes of `fill`."""

    count: Node
    fill: int
    location: Location


@dataclass(frozen=True)
class Leb:
    """A number in LEB128, whose length depends on its value."""

    value: Node
    signed: bool
    statement: Statement


Tail: TypeAlias = Branch | Align | Org | Space | Leb


@dataclass
class Fragment:
    """Bytes of known length and, at their end, what depends on layout."""

    section: str
    index: int
    data: bytearray = field(default_factory=bytearray)
    zeros: int = 0
    fixes: list[tuple[Fix, int, Statement]] = field(default_factory=list)
    lines: list[tuple[int, int, Statement]] = field(default_factory=list)
    tail: Tail | None = None
    start: int = 0
    tail_size: int = 0
    #: Bytes behind an alignment that keep what depends on them from growing and shrinking for ever.
    extra: int = 0

    @property
    def length(self) -> int:
        """Bytes before the tail."""
        return self.zeros + len(self.data)


@dataclass
class SectionBuild:
    """A section being filled. `flags` is 'rx', 'r', 'rw' or 'rwx', or '' when it is not loaded.

    `kind` and `attributes` are ELF's sh_type and further sh_flags (SHF_MERGE and the like), with the
    size of one entry in bytes and the COMDAT group it belongs to. `fragments` are in the order in which
    they were opened; subsections make the order in memory another one."""

    name: str
    flags: str
    nobits: bool
    fragments: list[Fragment] = field(default_factory=list)
    align: int = 1
    address: int = 0
    size: int = 0
    kind: int | None = None
    attributes: int = 0
    entry_size: int = 0
    group: str | None = None
    letters: str = ""
    chains: dict[int, list[int]] = field(default_factory=dict)
    subsection: int = 0

    def __post_init__(self) -> None:
        self.fragments.append(Fragment(self.name, 0))
        self.chains[0] = [0]

    @property
    def executable(self) -> bool:
        """Whether its flags have an x: it holds code."""
        return "x" in self.flags

    @property
    def current(self) -> Fragment:
        """The fragment that takes the next bytes."""
        return self.fragments[self.chains[self.subsection][-1]]

    def ordered(self) -> list[Fragment]:
        """The fragments in memory order."""
        if len(self.chains) == 1:
            return self.fragments
        return [self.fragments[i] for number in sorted(self.chains) for i in self.chains[number]]

    def enter(self, subsection: int) -> None:
        """Make `subsection` the one that takes the next bytes."""
        self.subsection = subsection
        if subsection not in self.chains:
            self.chains[subsection] = [len(self.fragments)]
            self.fragments.append(Fragment(self.name, len(self.fragments)))

    def here(self) -> Position:
        """The location counter: behind the last byte of the present fragment."""
        return Position(self.name, self.current.index, self.current.length)

    def close(self, tail: Tail) -> None:
        """End the fragment with `tail` and open the next one."""
        self.current.tail = tail
        self.chains[self.subsection].append(len(self.fragments))
        self.fragments.append(Fragment(self.name, len(self.fragments)))


@dataclass
class SymbolBuild:
    """What is known of a symbol: `node` is None until it is defined."""

    name: str
    node: Node | None = None
    defined_at: Location | None = None
    used_at: Location | None = None
    variable: bool = False
    is_global: bool = False
    size: Node | None = None
    kind: str = "notype"
    common: tuple[int, int] | None = None
    common_local: bool = False
    weak: bool = False
    local: bool = False
    visibility: int = 0
    #: The first definition, of a symbol that was used before it and has changed since.
    early: Node | None = None
    #: Whether `.eqv` defined it: its node is evaluated anew at every use.
    lazy: bool = False
    #: Another name that `.weakref` gave its node; and what such a name stands for.
    weakref: bool = False
    weakly: bool = False
    #: Names with versions that `.symver` gave it.
    versions: list[str] = field(default_factory=list)

    @property
    def meant(self) -> Node | None:
        """What those uses mean that found it undefined."""
        return self.node if self.early is None else self.early

    @property
    def indirect(self) -> bool:
        """Whether it is a function that chooses another one at run time."""
        return self.kind == "gnu_indirect_function"

    @property
    def is_left_to_a_linker(self) -> bool:
        """Whether only a linker can say what it is: weak, versioned, indirect, or of its own making."""
        made = self.node is None and not self.common and is_linkers(self.name)
        return bool(self.weak or self.weakly or self.versions) or self.indirect or made

    def is_grouped(self, sections: Mapping[str, SectionBuild]) -> bool:
        """Whether a linker may drop the definition for another object's."""
        return (
            self.is_global
            and isinstance(self.node, Position)
            and sections[self.node.section].group is not None
        )


def padding(length: int, bits: int = 32, newer: bool = False) -> bytes:
    """`length` bytes of code that does nothing, as gas fills alignments in code of that many bits; with
    `newer` for a CPU that has long no-operations."""
    nops, longest, prefix = (NOPS, MAX_PADDING_NOPS, b"")
    if newer:
        nops, longest = LONG_NOPS, MAX_PADDING_LONG_NOPS
    if bits == 16:
        nops, longest, prefix = (NOPS16, MAX_PADDING_NOPS16, b"\x66")
    front = b""
    if length > longest and length - 2 <= 127:
        front = bytes([0xEB, length - 2])
    elif length > longest:
        jump = prefix + b"\xe9"
        front = jump + (length - len(jump) - 4).to_bytes(4, "little")
    whole, rest = divmod(length - len(front), len(nops) - 1)
    return front + nops[-1] * whole + nops[rest]
