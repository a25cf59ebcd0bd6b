"""Call frame information: the .cfi_ directives, and the .eh_frame or .debug_frame that gas makes of them
(DWARF 5, 6.4).

The program's debugger reads it, and so does a C++ runtime. One CIE serves all functions whose rules at
entry and whose personality are the same, as gas has it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from .errors import Problem
from .expressions import Binary, Name, Node, Number, Position
from .leb import signed, unsigned
from .shapes import Fix

REGISTERS: Final = {
    name: number
    for number, name in enumerate(("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip"))
} | {f"st({n})": 11 + n for n in range(8)} | {f"xmm{n}": 21 + n for n in range(8)} | {
    f"mm{n}": 29 + n for n in range(8)
} | {
    name: 40 + n for n, name in enumerate(("es", "cs", "ss", "ds", "fs", "gs"))
} | {"eflags": 9, "st": 11, "fcw": 37, "fsw": 38, "mxcsr": 39, "tr": 48, "ldtr": 49} | {
    f"k{n}": 93 + n for n in range(8)
}  # fmt: skip
RETURN_COLUMN: Final = 8
DATA_ALIGN: Final = -4
#: Stands for the place of the pointer that is being written.
HERE: Final = "\x03here"
#: Stands for the section's first byte.
START: Final = "\x03start"
EH_FRAME: Final = ".eh_frame"
DEBUG_FRAME: Final = ".debug_frame"
PCREL_SDATA4: Final = 0x1B
DW_EH_PE_OMIT: Final = 0xFF


@dataclass
class Frame:
    """One function: where it starts and ends, and its instructions as bytes or, in between, the places
    where the location moves on."""

    start: Position
    simple: bool
    sections: tuple[str, ...]
    end: Position | None = None
    items: list[bytes | Position] = field(default_factory=list)
    column: int = RETURN_COLUMN
    signal: bool = False
    personality: tuple[int, Node] | None = None
    lsda: tuple[int, Node] | None = None
    offset: int = 4
    last: Position | None = None
    states: list[int] = field(default_factory=list)


class FrameTable:
    """The frames of one source, in order; `open` has those between .cfi_startproc and .cfi_endproc, of which
    each subsection may have one. `stream` tells which section and subsection is being filled."""

    def __init__(
        self,
        here: Callable[[], Position],
        stream: Callable[[], tuple[str, int]],
        expression: Callable[[str], Node],
    ) -> None:
        self.here = here
        self.stream = stream
        self.expression = expression
        self.frames: list[Frame] = []
        self._sections: tuple[str, ...] = (EH_FRAME,)  # of the frames to come
        self.open: dict[tuple[str, int], Frame] = {}

    @property
    def wanted(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.sections)

    @property
    def sections(self) -> list[str]:
        """Those that there is something for (.cfi_sections)."""
        wanted = {name for frame in self.frames for name in frame.sections}
        return [name for name in (EH_FRAME, DEBUG_FRAME) if name in wanted]

    def run(self, word: str, values: list[str]) -> None:
        """Carry out one .cfi_ directive. Raises Problem."""
        name = word.removeprefix(".cfi_")
        if name == "sections":
            wanted = {part for value in values for part in value.split()}
            if not wanted <= {EH_FRAME, DEBUG_FRAME}:
                raise Problem(f"`.cfi_sections' takes {EH_FRAME} and {DEBUG_FRAME}")
            self._sections = tuple(one for one in (EH_FRAME, DEBUG_FRAME) if one in wanted)
            return
        if name == "startproc":
            if self.stream() in self.open:
                raise Problem("`.cfi_startproc' inside a function", "`.cfi_endproc' ends one")
            start = self.here()
            self.open[self.stream()] = Frame(
                start, values == ["simple"], self._sections, last=start
            )
            self.frames.append(self.open[self.stream()])
            return
        frame = self.open.get(self.stream())
        if frame is None:
            raise Problem(f"`{word}' without `.cfi_startproc'")
        if name == "endproc":
            frame.end = self.here()
            del self.open[self.stream()]
        elif name in ("personality", "lsda"):
            encoding = self._number(values[0])
            target = None if encoding == DW_EH_PE_OMIT else (encoding, self.expression(values[1]))
            if name == "lsda":
                frame.lsda = target
            else:
                frame.personality = target
        elif name == "return_column":
            frame.column = self._register(values[0])
        elif name == "signal_frame":
            frame.signal = True
        else:
            try:
                body = self._instruction(name, values, frame)
            except IndexError:
                raise Problem(f"`{word}' lacks an operand") from None
            self._advance(frame)
            frame.items.append(body)

    def _advance(self, frame: Frame) -> None:
        here = self.here()
        if here != frame.last:
            frame.items.append(here)
            frame.last = here

    def _number(self, text: str) -> int:
        node = self.expression(text)
        if not isinstance(node, Number):
            raise Problem(f"`{text}' is not a constant here")
        return node.value

    def _register(self, text: str) -> int:
        name = text.strip().lstrip("%").lower().replace(" ", "")
        return REGISTERS[name] if name in REGISTERS else self._number(text)

    def _instruction(self, name: str, values: list[str], frame: Frame) -> bytes:
        register = self._register
        number = self._number
        match name:
            case "def_cfa":
                frame.offset = number(values[1])
                if frame.offset < 0:
                    return (
                        b"\x12" + unsigned(register(values[0])) + signed(frame.offset // DATA_ALIGN)
                    )
                return b"\x0c" + unsigned(register(values[0])) + unsigned(frame.offset)
            case "def_cfa_register":
                return b"\x0d" + unsigned(register(values[0]))
            case "def_cfa_offset" | "adjust_cfa_offset":
                frame.offset = number(values[0]) + (frame.offset if name[0] == "a" else 0)
                if frame.offset < 0:
                    return b"\x13" + signed(frame.offset // DATA_ALIGN)
                return b"\x0e" + unsigned(frame.offset)
            case "offset" | "rel_offset":
                at = number(values[1]) - (frame.offset if name[0] == "r" else 0)
                return _saved(register(values[0]), at)
            case "val_offset":
                factor = number(values[1]) // DATA_ALIGN
                if factor < 0:
                    return b"\x15" + unsigned(register(values[0])) + signed(factor)
                return b"\x14" + unsigned(register(values[0])) + unsigned(factor)
            case "restore":
                out = bytearray()
                for value in values:
                    which = register(value)
                    out += bytes([0xC0 | which]) if which < 64 else b"\x06" + unsigned(which)
                return bytes(out)
            case "undefined" | "same_value":
                code = b"\x07" if name[0] == "u" else b"\x08"
                return b"".join(code + unsigned(register(value)) for value in values)
            case "register":
                return b"\x09" + unsigned(register(values[0])) + unsigned(register(values[1]))
            case "remember_state":
                frame.states.append(frame.offset)
                return b"\x0a"
            case "restore_state":
                if not frame.states:
                    raise Problem("`.cfi_restore_state' without `.cfi_remember_state'")
                frame.offset = frame.states.pop()
                return b"\x0b"
            case "window_save":
                return b"\x2d"
            case "escape":
                return bytes(number(value) & 0xFF for value in values)
            case _:
                raise Problem(f"unknown or unsupported directive `.cfi_{name}'")

    # -- the section -----------------------------------------------------------------------

    def section(
        self, distance: Callable[[Position, Position], int], name: str = EH_FRAME
    ) -> tuple[bytes, list[Fix]]:
        """The bytes of one of the sections, and its fields; `distance` is that of two places in code, in
        bytes."""
        if self.open:
            raise Problem("`.cfi_startproc' without `.cfi_endproc'")
        out = bytearray()
        fixes: list[Fix] = []
        known: dict[object, int] = {}
        for frame in self.frames:
            if name not in frame.sections:
                continue
            assert frame.end is not None
            entry, rest = _entry_rules(frame)
            key: tuple[object, ...] = (entry, frame.signal, frame.column)
            if name == EH_FRAME:
                key += (frame.personality, frame.lsda and frame.lsda[0])
            if key not in known:
                known[key] = len(out)
                if name == EH_FRAME:
                    self._common(out, fixes, frame, entry)
                else:
                    _common_for_debuggers(out, frame, entry)
            start = len(out)
            if name == EH_FRAME:
                self._head(out, fixes, frame, known[key], distance)
            else:
                _head_for_debuggers(out, fixes, frame, known[key], distance)
            _steps(out, frame.start, rest, distance)
            _close(out, start)
        return bytes(out), fixes

    def _common(self, out: bytearray, fixes: list[Fix], frame: Frame, entry: bytes) -> None:
        start = len(out)
        letters = (
            "z" + "P" * bool(frame.personality) + "L" * bool(frame.lsda) + "R" + "S" * frame.signal
        )
        out += (
            bytes(8)
            + b"\1"
            + letters.encode()
            + b"\0\1"
            + signed(DATA_ALIGN)
            + bytes([frame.column])
        )
        length = 1 + bool(frame.lsda)
        length += 1 + _width(frame.personality[0]) if frame.personality else 0
        out += unsigned(length)
        if frame.personality is not None:
            out.append(frame.personality[0])
            _pointer(out, fixes, *frame.personality)
        if frame.lsda is not None:
            out.append(frame.lsda[0])
        out.append(PCREL_SDATA4)
        out += entry
        _close(out, start)

    def _head(
        self,
        out: bytearray,
        fixes: list[Fix],
        frame: Frame,
        common: int,
        distance: Callable[[Position, Position], int],
    ) -> None:
        start = len(out)
        assert frame.end is not None
        out += bytes(4) + struct.pack("<I", start + 4 - common)
        _pointer(out, fixes, PCREL_SDATA4, frame.start)
        out += struct.pack("<I", distance(frame.start, frame.end))
        if frame.lsda is not None:
            out += unsigned(_width(frame.lsda[0]))
            _pointer(out, fixes, *frame.lsda)
        else:
            out += b"\0"


def _common_for_debuggers(out: bytearray, frame: Frame, entry: bytes) -> None:
    """A CIE of .debug_frame, which has no augmentation but that of a signal's frame."""
    start = len(out)
    out += bytes(4) + b"\xff\xff\xff\xff\1" + b"S" * frame.signal + b"\0\1" + signed(DATA_ALIGN)
    out += bytes([frame.column]) + entry
    _close(out, start)


def _head_for_debuggers(
    out: bytearray,
    fixes: list[Fix],
    frame: Frame,
    common: int,
    distance: Callable[[Position, Position], int],
) -> None:
    assert frame.end is not None
    out += bytes(4)
    fixes.append(Fix(len(out), 4, Binary("+", Name(START), Number(common))))
    out += bytes(4)
    _pointer(out, fixes, 0, frame.start)
    out += struct.pack("<I", distance(frame.start, frame.end))


def _steps(
    out: bytearray,
    at: Position,
    items: list[bytes | Position],
    distance: Callable[[Position, Position], int],
) -> None:
    """Rules, and between them how far the location moves on."""
    for item in items:
        if isinstance(item, bytes):
            out += item
            continue
        delta, at = distance(at, item), item
        if delta < 0x40:
            out.append(0x40 | delta)
        elif delta < 0x100:
            out += bytes([2, delta])
        elif delta < 0x10000:
            out += b"\3" + struct.pack("<H", delta)
        else:
            out += b"\4" + struct.pack("<I", delta)


def _close(out: bytearray, start: int) -> None:
    """The end of an entry: whole words, and their length in front."""
    out += bytes(-(len(out) - start) % 4)
    out[start : start + 4] = struct.pack("<I", len(out) - start - 4)


def _saved(register: int, offset: int) -> bytes:
    factor = offset // DATA_ALIGN
    if factor < 0:
        return b"\x11" + unsigned(register) + signed(factor)
    if register < 64:
        return bytes([0x80 | register]) + unsigned(factor)
    return b"\x05" + unsigned(register) + unsigned(factor)


def _entry_rules(frame: Frame) -> tuple[bytes, list[bytes | Position]]:
    """The rules that hold from the first instruction on, which go into the CIE, and the rest."""
    out = bytearray()
    if not frame.simple:
        out += b"\x0c\x04\x04" + _saved(RETURN_COLUMN, -4)
    for index, item in enumerate(frame.items):
        if not isinstance(item, bytes) or item[0] in (0x0A, 0x2D):
            return bytes(out), frame.items[index:]
        out += item
    return bytes(out), []


def _pointer(out: bytearray, fixes: list[Fix], encoding: int, target: Node) -> None:
    if encoding & 0x70 == 0x10:  # DW_EH_PE_pcrel
        here: Node = Name(HERE)
        target = Binary("-", target, here)
    elif encoding & 0x70:
        raise Problem(f"pointer encoding {encoding:#x} is not supported")
    fixes.append(Fix(len(out), _width(encoding), target))
    out += bytes(_width(encoding))


def _width(encoding: int) -> int:
    """The bytes of a pointer in that DW_EH_PE encoding. Raises Problem."""
    width = {0: 4, 2: 2, 3: 4, 4: 8}.get(encoding & 7)
    if width is None:
        raise Problem(f"pointer encoding {encoding:#x} is not supported")
    return width
