"""Instructions to bytes: shape checks, the engine, gas's choices, and a check of the result.

The engine only sees instructions with numbers in them. A value that is not known before layout
is encoded twice with two different stand-ins; the bytes that differ are its field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from .engine import Engine
from .errors import Problem
from .expressions import Node, Number, Unary
from .hints import misplaced, unknown_instruction
from .mnemonics import BRANCHES, EXACT, LOCKABLE, PREFIXES, SIZED, Spec
from .operands import (
    Far,
    Imm,
    Mem,
    Operand,
    Reg,
    Star,
)
from .shapes import Fix, Request, shape
from .sizes import (
    Mode,
    address_bits,
    by_mode,
    loop_counter,
    memory_of,
    operand_size,
    put_address,
    stand_in,
)
from .verify import Verifier

# Segment-override prefixes, Intel SDM vol. 2, 2.1.1.
SEGMENT_PREFIX: Final = {"es": 0x26, "cs": 0x2E, "ss": 0x36, "ds": 0x3E, "fs": 0x64, "gs": 0x65}
# Intel SDM vol. 2: no-operations to a CPU without control-flow enforcement; and what only the 8087 and the
# 80287 did something for.
UNKNOWN_TO_ENGINE: Final = {
    "endbr32": bytes.fromhex("f30f1efb"), "endbr64": bytes.fromhex("f30f1efa"),
    "fneni": bytes.fromhex("dbe0"), "feni": bytes.fromhex("9bdbe0"),
    "fndisi": bytes.fromhex("dbe1"), "fdisi": bytes.fromhex("9bdbe1"),
    "fnsetpm": bytes.fromhex("dbe4"), "fsetpm": bytes.fromhex("9bdbe4"), "frstpm": bytes.fromhex("dbe5"),
}  # fmt: skip
#: Kinds whose immediate is as wide as the operand: one that is wider is cut.
_CUTTING: Final = frozenset(("general", "symmetric", "mov", "imul"))
STAND_INS: Final = {1: (0x5A, 0x25), 2: (0x5A6B, 0x2514), 4: (0x5A6B7C4D, 0x25140332)}


@dataclass(frozen=True)
class Encoded:
    """Bytes with the fields still open; `branch` is set for a jump whose size layout chooses,
    and then `data` ends with its short opcode, and its long form has an offset of `width` bytes."""

    data: bytes
    fixes: tuple[Fix, ...] = ()
    branch: Node | None = None
    width: int = 4


def default_segment(memory: Mem) -> str:
    """The segment the CPU uses for an address without override (SDM vol. 1, 3.7.4)."""
    return "ss" if memory.base in ("esp", "ebp", "bp") else "ds"


def signed(value: int, width: int, what: str) -> int:
    """The value as a signed number of `width` bytes; Problem when it does not fit."""
    bits = 8 * width
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise Problem(f"{what} {value:#x} does not fit in {width} byte{'s' * (width > 1)}")
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


class InstructionEncoder:
    """Encodes statements of one program; holds the engine and its caches."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.mode = Mode()
        self._warn = warn
        self._engine = Engine()
        self._verifier = Verifier()

    # -- look-up ---------------------------------------------------------------------------

    def find(self, mnemonic: str, count: int) -> tuple[Spec, str, str | None]:
        """Spec, base name and explicit size suffix of a mnemonic; Problem when unknown."""
        if mnemonic in ("movsb", "movsw") and count == 0:
            return Spec("string", "", (0,), (mnemonic,)), mnemonic, None
        if mnemonic in EXACT:
            return EXACT[mnemonic], mnemonic, None
        if mnemonic in SIZED:
            return SIZED[mnemonic], mnemonic, None
        base, suffix = mnemonic[:-1], mnemonic[-1:]
        if base in SIZED and suffix in "bwlq" and suffix:
            if suffix not in SIZED[base].sizes:
                raise Problem(
                    f"invalid instruction suffix `{suffix}' for `{base}'",
                    f"`{base}' takes {', '.join(SIZED[base].sizes)}",
                )
            return SIZED[base], base, suffix
        raise Problem(f"no such instruction: `{mnemonic}'", unknown_instruction(mnemonic))

    def encode(
        self,
        mnemonic: str,
        prefixes: list[str],
        operands: list[Operand],
        data_size: str | None = None,
        address: int | None = None,
    ) -> Encoded:
        """Encode one instruction whose expressions are already bound.

        `data_size` is "w" or "l" after `data16` or `data32`, `address` 16 or 32 after `addr16`, `addr32`."""
        mnemonic, counter = loop_counter(mnemonic)
        mnemonic, operands, size = by_mode(mnemonic, operands, self.mode, data_size)
        spec, base, suffix = self.find(mnemonic, len(operands))
        if len(operands) not in spec.counts:
            allowed = " or ".join(str(count) for count in spec.counts)
            raise Problem(f"`{mnemonic}' takes {allowed} operands, not {len(operands)}")
        self._check_prefixes(base, spec, prefixes, operands)
        if base in UNKNOWN_TO_ENGINE:
            return Encoded(UNKNOWN_TO_ENGINE[base])
        if spec.kind in ("branch", "call", "loop", "far") and not isinstance(operands[0], Star):
            if prefixes:
                raise Problem(f"`{prefixes[0]}' cannot be applied to `{base}'")
            return self._branch(spec, base, operands, size, counter)
        for operand in operands:
            if isinstance(operand, Star) and spec.kind not in ("branch", "call", "far"):
                raise Problem(f"`*' only marks the target of a jump or call, not of `{base}'")
        if spec.kind == "branch" and base != "jmp":
            raise Problem(f"`{base}' cannot be indirect")
        memory = memory_of(operands)
        width = 32 if memory is None else address_bits(memory, address or self.mode.bits)
        sent = operands if width == 32 else stand_in(operands, "eax")
        request = shape(spec, base, suffix, list(sent))
        request.cuts = self._cuts(spec, request, suffix)
        self._run(request, mnemonic)
        parts = self._parts(request, prefixes, sent, spec)
        if memory is not None and memory.hollow and 0xA0 <= parts.body[0] <= 0xA3:
            raise Problem(
                "`(,)' without a register before the accumulator", "leave the parentheses out"
            )
        data = parts.join()
        self._verifier.check(data, base, spec, sent, parts.fixes, request.operands)
        if self.mode.bits == 32 and width == 32 and size != "w":
            return Encoded(data, tuple(parts.fixes))
        size = size or operand_size(spec, base, request.mnemonic, operands)
        if size and not (
            spec.kind == "store16" and memory is not None
        ):  # which is 16 bits wide anyway
            parts.size = b"\x66" if (size == "l") != (self.mode.bits == 32) else b""
        if memory is not None and width != self.mode.bits:
            parts.address = b"\x67"
        if memory is not None and width == 16:
            self._shorten(parts, memory, (spec, base, suffix), operands)
            parts.segment = _override(memory)
        data = parts.join()
        if spec.kind != "sse":  # of which the decoder takes some absolute addresses for others
            self._verifier.whole(data, base, self.mode.bits)
        return Encoded(data, tuple(parts.fixes))

    def _shorten(
        self, parts: _Parts, memory: Mem, found: tuple[Spec, str, str | None],
        operands: list[Operand],
    ) -> None:  # fmt: skip
        """Put a 16-bit address in for the stand-in: its byte is where another stand-in differs."""
        spec, base, suffix = found
        other = shape(spec, base, suffix, stand_in(operands, "ecx"))
        other.cuts = self._cuts(spec, other, suffix)
        self._run(other, base)
        body = self._parts(other, [], stand_in(operands, "ecx"), spec).body
        at = next(i for i, (a, b) in enumerate(zip(parts.body, body, strict=True)) if a != b)
        fixes = [replace(fix, offset=fix.offset - parts.removed) for fix in parts.open]
        accumulator = base == "mov" and any(
            isinstance(o, Reg) and o.name in ("al", "ax", "eax") for o in operands
        )
        parts.body, parts.open = put_address(parts.body, at, memory, fixes, accumulator)
        parts.removed = 0

    def _check_prefixes(
        self, base: str, spec: Spec, prefixes: list[str], operands: list[Operand]
    ) -> None:
        if len(prefixes) > 1:
            raise Problem(f"prefixes `{' '.join(prefixes)}' cannot be combined")
        for prefix in prefixes:
            if prefix == "lock":
                last = operands[-1] if operands else None
                memory = isinstance(last, Mem) or (
                    base == "xchg" and any(isinstance(operand, Mem) for operand in operands)
                )
                if base not in LOCKABLE or not memory:
                    raise Problem(
                        "expecting lockable instruction after `lock'",
                        "lock needs a read-modify-write instruction with a memory destination",
                    )
            elif not (spec.kind == "string" or (base in ("movsd", "cmpsd") and not operands)):
                raise Problem(
                    f"`{prefix}' only applies to string instructions, not to `{base}'",
                    "movs, stos, lods, cmps, scas, ins, outs",
                )

    # -- direct jumps, encoded here --------------------------------------------------------

    def _branch(
        self, spec: Spec, base: str, operands: list[Operand], size: str | None, counter: int
    ) -> Encoded:
        bits = self.mode.bits
        wide = bits == 32 if size is None else size == "l"
        front = b"\x66" if wide != (bits == 32) else b""
        if spec.kind == "far" or len(operands) == 2:
            return self._far(base, operands, front, wide)
        target = operands[0]
        if isinstance(target, Far):
            far: list[Operand] = [Imm(target.selector), Imm(target.offset)]
            return self._far("l" + base, far, front, wide)
        if isinstance(target, Reg):
            raise Problem(f"indirect {base} without `*'", f"write {base} *%{target.name}")
        if isinstance(target, Imm):
            raise Problem(f"`{base}' takes a label, not an immediate", "drop the `$'")
        if not isinstance(target, Mem) or target.base or target.index or target.segment:
            raise Problem(f"indirect {base} without `*'", f"write {base} *ADDRESS")
        if target.displacement is None:
            raise Problem(f"`{base}' without a target")
        value = target.displacement
        if spec.kind == "branch":
            return Encoded(front + bytes([BRANCHES[base]]), (), value, 4 if wide else 2)
        if spec.kind == "call":
            width = 4 if wide else 2
            start = front + b"\xe8"
            return Encoded(start + bytes(width), (Fix(len(start), width, value, True),))
        opcode = {"loopne": 0xE0, "loopnz": 0xE0, "loope": 0xE1, "loopz": 0xE1, "loop": 0xE2}
        start = b"\x67" if counter not in (0, bits) else b""
        start += bytes([opcode.get(base, 0xE3)])
        return Encoded(start + b"\0", (Fix(len(start), 1, value, True),))

    def _far(self, base: str, operands: list[Operand], front: bytes, wide: bool) -> Encoded:
        name = "l" + base.lstrip("l")
        if len(operands) != 2 or not all(isinstance(operand, Imm) for operand in operands):
            raise Problem(f"`{name}' takes $SELECTOR,$OFFSET or *ADDRESS")
        selector, offset = (operand.value for operand in operands if isinstance(operand, Imm))
        data = bytearray(front + (b"\xea" if name == "ljmp" else b"\x9a"))
        first, long = len(data), 4 if wide else 2
        data += bytes(long + 2)
        fixes = []
        for position, width, value in ((first, long, offset), (first + long, 2, selector)):
            if isinstance(value, Number):
                number = signed(value.value, width, "far target")
                data[position : position + width] = number.to_bytes(width, "little", signed=True)
            else:
                fixes.append(Fix(position, width, value))
        return Encoded(bytes(data), tuple(fixes))

    # -- the engine ------------------------------------------------------------------------

    def _run(self, request: Request, mnemonic: str) -> None:
        variants = self._render(request)
        encodings = []
        for text in variants.texts:
            data = self._engine.encode(text)
            if data is None:
                raise Problem(
                    f"`{mnemonic}' does not take these operands", misplaced(request.operands)
                )
            encodings.append(data)
        first = encodings[0]
        for (width, value), other in zip(variants.open, encodings[1:], strict=True):
            changed = [
                i for i in range(len(first)) if len(other) == len(first) and first[i] != other[i]
            ]
            if len(changed) != width or changed[-1] - changed[0] != width - 1:
                raise Problem(
                    f"a value that is only known after layout does not fit into `{mnemonic}'",
                    "define the symbol before its use, or use a wider operand",
                )
            request.fixes.append(Fix(changed[0], width, value))
        body = bytearray(first)
        for fix in request.fixes:
            number = fix.value.value if isinstance(fix.value, Number) else 0
            body[fix.offset : fix.offset + fix.width] = number.to_bytes(fix.width, "little")
        request.fixes = [fix for fix in request.fixes if not isinstance(fix.value, Number)]
        request.body = bytes(body)

    def _render(self, request: Request) -> _Variants:
        open_fields: list[tuple[int, Node]] = []
        renders: list[list[str]] = [[]]
        for position, operand in enumerate(request.operands):
            width = 0
            value: Node | None = None
            if isinstance(operand, Imm):
                width = request.immediate_width
                if request.mnemonic == "enter":
                    width = 2 - position
                if width == 0:
                    raise Problem(f"`{request.mnemonic}' takes no immediate")
                value = operand.value
                if isinstance(value, Number):
                    value = self._cut(request, value.value, width)
            else:
                memory = operand.target if isinstance(operand, Star) else operand
                if isinstance(memory, Mem):
                    width, value = 4, memory.displacement
                    if isinstance(value, Number):
                        value = Number(value.value & 0xFFFFFFFF)
            if value is None or isinstance(value, Number):
                number = None if value is None else signed(value.value, width, "value")
                for render in renders:
                    render.append(_text(operand, number))
                continue
            if isinstance(value, Unary) and value.op == "cut":
                value = value.operand
            open_fields.append((width, value))
            usual, other = STAND_INS[width]
            changed = [*renders[0], _text(operand, other)]
            for render in renders:
                render.append(_text(operand, usual))
            renders.append(changed)
        texts = []
        for render in renders:
            texts.append(f"{request.mnemonic} {', '.join(render)}" if render else request.mnemonic)
        return _Variants(texts, open_fields)

    def _cuts(self, spec: Spec, request: Request, suffix: str | None) -> bool:
        """Whether gas cuts an immediate that is too wide."""
        if spec.kind in ("in", "out"):
            return request.mnemonic.endswith("b")
        if spec.kind == "shift":
            return request.mnemonic.endswith("b")
        if spec.kind == "stack":
            return suffix is not None and self.mode.bits == 32
        return spec.kind in _CUTTING

    def _cut(self, request: Request, value: int, width: int) -> Node:
        """A value for a field of `width` bytes, cut as gas cuts it, with its warning. One that got small by
        that keeps the field it would have filled: it comes back as one that is open."""
        bits = 8 * width
        if width < 4 and value >> 31 == 1:
            value -= 1 << 32  # gas counts in 32 bits
        if not request.cuts or -(1 << bits - 1) <= value < 1 << bits:
            return Number(value)
        cut = value & (1 << bits) - 1
        if width == 4:
            return Number(cut)  # gas counts in 32 bits
        if value >> bits != -1:
            self._warn(f"{value & (1 << 64) - 1:#x} shortened to {cut:#x}")
            if width == 2 and -128 <= signed(cut, 2, "value") < 128:
                return Unary("cut", Number(cut))
        return Number(cut)

    def _parts(
        self, request: Request, prefixes: list[str], operands: list[Operand], spec: Spec
    ) -> _Parts:
        """The body with gas's opcode choices, prefixes in gas's order: segment, 66, lock."""
        body = request.body
        removed = 0
        size_prefix = b""
        if body[0] == 0x66 and spec.kind not in ("sse",):
            size_prefix, body, removed = b"\x66", body[1:], 1
        memory_operand = any(isinstance(operand, Mem) for operand in operands)
        if spec.kind == "mov" and (body[0] == 0x8E or (body[0] == 0x8C and memory_operand)):
            size_prefix = b""  # a segment register is 16 bits wide by itself
        if spec.kind == "bound":
            body = b"\x62" + body[1:]
        if spec.kind == "nop" and operands:
            if body[:2] != b"\x0f\x18":
                raise Problem("`nop' with this operand is not supported")
            body = b"\x0f\x1f" + bytes([body[2] & 0xC7]) + body[3:]
        front = b""
        for operand in operands:
            memory = operand.target if isinstance(operand, Star) else operand
            if isinstance(memory, Mem):
                front += _override(memory)
        wait = b""
        if body[0] == 0x9B and len(body) > 1:
            wait, body, removed = b"\x9b", body[1:], removed + 1
        repeat = bytes(PREFIXES[name] for name in prefixes)
        return _Parts(wait, front, b"", size_prefix, repeat, body, removed, request.fixes)


@dataclass
class _Parts:
    """An instruction in pieces, in gas's order; `open` are the fields by their offset in what the engine
    made, of which `removed` bytes stood before `body`."""

    wait: bytes
    segment: bytes
    address: bytes
    size: bytes
    repeat: bytes
    body: bytes
    removed: int
    open: list[Fix]

    def join(self) -> bytes:
        """The instruction."""
        return self.wait + self.segment + self.address + self.size + self.repeat + self.body

    @property
    def fixes(self) -> list[Fix]:
        """The fields by their offset in the instruction."""
        front = self.wait + self.segment + self.address + self.size + self.repeat
        shift = len(front) - self.removed
        return [replace(fix, offset=fix.offset + shift) for fix in self.open]


def _override(memory: Mem) -> bytes:
    """The prefix for a segment that is not the usual one."""
    if memory.segment in (None, default_segment(memory)):
        return b""
    return bytes([SEGMENT_PREFIX[str(memory.segment)]])


@dataclass(frozen=True)
class _Variants:
    """The texts to encode: the first with the usual stand-ins, then one per open field."""

    texts: list[str]
    open: list[tuple[int, Node]]


def _text(operand: Operand, number: int | None) -> str:
    """The operand as the engine may see it; the segment override is added to the bytes later."""
    if isinstance(operand, Reg):
        return f"%{operand.name}"
    if isinstance(operand, Imm):
        return f"${_hex(number or 0)}"
    if isinstance(operand, Star):
        return "*" + _text(operand.target, number)
    if isinstance(operand, Far):
        raise Problem("a far target only stands after ljmp and lcall")
    if operand.base is None and operand.index is None:
        return _hex(number or 0)
    inner = f"%{operand.base}" if operand.base else ""
    if operand.index:
        inner += f",%{operand.index},{operand.scale}"
    return f"{_hex(number) if number else ''}({inner})"


def _hex(number: int) -> str:
    return f"-{-number:#x}" if number < 0 else f"{number:#x}"
