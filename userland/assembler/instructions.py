"""Instructions to bytes: shape checks, the engine, gas's choices, and a check of the result.

The engine only sees instructions with numbers in them. A value that is not known before layout
is encoded twice with two different stand-ins; the bytes that differ are its field.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from .engine import Engine
from .errors import Problem
from .expressions import Node, Number
from .mnemonics import BRANCHES, EXACT, LOCKABLE, PREFIXES, SIZED, Spec, suggestion
from .operands import (
    CONTROL,
    DEBUG,
    GENERAL,
    REG16,
    REG32,
    SEGMENTS,
    Far,
    Imm,
    Mem,
    Operand,
    Reg,
    Star,
)
from .verify import Verifier

WIDTH: Final = {"b": 1, "w": 2, "l": 4}
# Segment-override prefixes, Intel SDM vol. 2, 2.1.1.
SEGMENT_PREFIX: Final = {"es": 0x26, "cs": 0x2E, "ss": 0x36, "ds": 0x3E, "fs": 0x64, "gs": 0x65}
STAND_INS: Final = {1: (0x5A, 0x25), 2: (0x5A6B, 0x2514), 4: (0x5A6B7C4D, 0x25140332)}


@dataclass(frozen=True)
class Fix:
    """A field to be filled after layout: `width` bytes at `offset`; relative to the end of the
    instruction when `relative`. `signed8` fields of jumps must fit."""

    offset: int
    width: int
    value: Node
    relative: bool = False


@dataclass(frozen=True)
class Encoded:
    """Bytes with the fields still open; `branch` is set for a jump whose size layout chooses,
    and then `data` holds its short opcode only."""

    data: bytes
    fixes: tuple[Fix, ...] = ()
    branch: Node | None = None


@dataclass
class _Request:
    """One instruction on its way to the engine."""

    mnemonic: str
    operands: list[Operand]
    immediate_width: int = 0
    body: bytes = b""
    fixes: list[Fix] = field(default_factory=list)


def default_segment(memory: Mem) -> str:
    """The segment the CPU uses for an address without override (SDM vol. 1, 3.7.4)."""
    return "ss" if memory.base in ("esp", "ebp") else "ds"


def signed(value: int, width: int, what: str) -> int:
    """The value as a signed number of `width` bytes; Problem when it does not fit."""
    bits = 8 * width
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise Problem(f"{what} {value:#x} does not fit in {width} byte{'s' * (width > 1)}")
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


class InstructionEncoder:
    """Encodes statements of one program; holds the engine and its caches."""

    def __init__(self) -> None:
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
        near = suggestion(mnemonic)
        hint = f"did you mean `{near}'?" if near else None
        raise Problem(f"no such instruction: `{mnemonic}'", hint)

    def encode(self, mnemonic: str, prefixes: list[str], operands: list[Operand]) -> Encoded:
        """Encode one instruction whose expressions are already bound."""
        spec, base, suffix = self.find(mnemonic, len(operands))
        if len(operands) not in spec.counts:
            allowed = " or ".join(str(count) for count in spec.counts)
            raise Problem(f"`{mnemonic}' takes {allowed} operands, not {len(operands)}")
        self._check_prefixes(base, spec, prefixes, operands)
        if spec.kind in ("branch", "call", "loop", "far") and not isinstance(operands[0], Star):
            if prefixes:
                raise Problem(f"`{prefixes[0]}' cannot be applied to `{base}'")
            return self._branch(spec, base, operands)
        for operand in operands:
            if isinstance(operand, Star) and spec.kind not in ("branch", "call", "far"):
                raise Problem(f"`*' only marks the target of a jump or call, not of `{base}'")
        if spec.kind == "branch" and base != "jmp":
            raise Problem(f"`{base}' cannot be indirect")
        request = self._shape(spec, base, suffix, list(operands))
        self._run(request, mnemonic)
        data, fixes = self._prefix(request, prefixes, operands, spec)
        result = Encoded(data, tuple(fixes))
        self._verifier.check(data, base, spec, operands, result.fixes, request.operands)
        return result

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

    def _branch(self, spec: Spec, base: str, operands: list[Operand]) -> Encoded:
        if spec.kind == "far" or len(operands) == 2:
            return self._far(base, operands)
        target = operands[0]
        if isinstance(target, Far):
            return self._far("l" + base, [Imm(target.selector), Imm(target.offset)])
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
            return Encoded(bytes([BRANCHES[base]]), (), value)
        if spec.kind == "call":
            return Encoded(b"\xe8" + bytes(4), (Fix(1, 4, value, True),))
        opcode = {"loopne": 0xE0, "loopnz": 0xE0, "loope": 0xE1, "loopz": 0xE1, "loop": 0xE2}
        start = b"\x67\xe3" if base == "jcxz" else bytes([opcode.get(base, 0xE3)])
        return Encoded(start + b"\0", (Fix(len(start), 1, value, True),))

    def _far(self, base: str, operands: list[Operand]) -> Encoded:
        name = "l" + base.lstrip("l")
        if len(operands) != 2 or not all(isinstance(operand, Imm) for operand in operands):
            raise Problem(f"`{name}' takes $SELECTOR,$OFFSET or *ADDRESS")
        selector, offset = (operand.value for operand in operands if isinstance(operand, Imm))
        data = bytearray(b"\xea" if name == "ljmp" else b"\x9a") + bytes(6)
        fixes = []
        for position, width, value in ((1, 4, offset), (5, 2, selector)):
            if isinstance(value, Number):
                number = signed(value.value, width, "far target")
                data[position : position + width] = number.to_bytes(width, "little", signed=True)
            else:
                fixes.append(Fix(position, width, value))
        return Encoded(bytes(data), tuple(fixes))

    # -- shapes ----------------------------------------------------------------------------

    def _size(self, base: str, suffix: str | None, operands: list[Operand], sizes: str) -> str:
        """The operand size as a suffix, from the mnemonic or the registers; they must agree."""
        found = suffix
        for operand in reversed(operands):
            if not isinstance(operand, Reg):
                continue
            letter = GENERAL.get(operand.name)
            if letter is None:
                raise Problem(f"`%{operand.name}' cannot be an operand of `{base}'")
            if found is None:
                found = letter
            elif found != letter:
                if suffix:
                    raise Problem(
                        f"incorrect register `%{operand.name}' used with `{suffix}' suffix"
                    )
                raise Problem(f"operand sizes of `{base}' do not match")
        if found is None:
            names = " or ".join(base + letter for letter in sizes)
            raise Problem(
                f"no size suffix and no register gives the size of `{base}'", f"write {names}"
            )
        if found not in sizes:
            raise Problem(f"`{base}' has no {8 * WIDTH[found]}-bit form")
        return found

    def _shape(self, spec: Spec, base: str, suffix: str | None, ops: list[Operand]) -> _Request:
        kind = spec.kind
        if kind == "mov":
            return self._mov(base, suffix, ops)
        if kind in ("general", "symmetric", "imul", "byte"):
            if kind == "byte" and isinstance(ops[0], Mem):
                suffix = "b"
            size = self._size(base, suffix, ops, spec.sizes)
            if kind == "symmetric" and isinstance(ops[0], Mem) and isinstance(ops[1], Reg):
                ops.reverse()  # gas keeps the register in the reg field, whichever way round
            if kind == "byte":
                return _Request(base, ops)
            return _Request(base + size, ops, WIDTH[size])
        if kind == "stack":
            if isinstance(ops[0], Reg) and ops[0].name in SEGMENTS:
                return _Request(base + (suffix or "l"), ops)
            if isinstance(ops[0], Imm) and suffix is None:
                suffix = "l"
            if isinstance(ops[0], Mem) and suffix is None:
                suffix = "l"  # the only size gas has for it without a suffix
            size = self._size(base, suffix, ops, spec.sizes)
            return _Request(base + size, ops, WIDTH[size])
        if kind == "lea":
            if not isinstance(ops[0], Mem) or not isinstance(ops[1], Reg):
                raise Problem("`lea' takes an address and a register")
            return _Request(base + self._size(base, suffix, ops, spec.sizes), ops)
        if kind in ("shift", "shift2"):
            return self._shift(spec, base, suffix, ops)
        if kind == "bit":
            size = self._size(base, suffix, ops, spec.sizes)
            return _Request(base + size, ops, 1)
        if kind == "selector":
            size = self._size(base, suffix, ops[1:], spec.sizes)
            return _Request(base + size, ops)
        if kind == "bswap":
            return _Request(base + self._size(base, suffix, ops, spec.sizes), ops)
        if kind in ("in", "out"):
            return self._port(base, suffix, ops)
        if kind in ("farpointer", "bound"):
            return self._pointer(kind, base, suffix, ops)
        if kind == "nop":
            if not ops:
                if suffix:
                    raise Problem("`nop' without operand has no size", "write nop")
                return _Request(base, ops)
            return _Request(base + self._size(base, suffix, ops, spec.sizes), ops)
        if kind == "word":
            if isinstance(ops[0], Reg) and ops[0].name not in REG16:
                raise Problem(f"`{base}' takes a 16-bit register or memory")
            # The engine knows no verw with a suffix, and needs one nowhere for the others.
            return _Request(base, ops)
        if kind == "store16":
            if isinstance(ops[0], Reg):
                size = self._size(base, suffix, ops, spec.sizes)
                return _Request(base + size, ops)
            if suffix == "l":
                raise Problem(f"`{base}' stores 16 bits to memory", f"write {base} or {base}w")
            return _Request(base + "w", ops)
        if kind == "extend":
            return self._extend(base, ops)
        if kind in ("branch", "call", "far"):
            return self._indirect(kind, base, ops)
        return self._plain(spec, base, ops)

    def _plain(self, spec: Spec, base: str, ops: list[Operand]) -> _Request:
        kind = spec.kind
        if kind == "memory":
            if not isinstance(ops[0], Mem):
                raise Problem(f"`{base}' takes an address")
            return _Request(base, ops)
        if kind == "sse":
            if base in ("movsd", "cmpsd") and not ops:
                return _Request(base[:-1] + "l", ops)
            self._imm8_first(base, ops)
            return _Request(base, ops, 1)
        if kind == "ret":
            return _Request(base + "l" if base == "lret" else base, ops, 2)
        if kind == "enter":
            return _Request(base, ops, 2)
        if kind in ("int", "imm8"):
            if ops and not isinstance(ops[0], Imm):
                raise Problem(f"`{base}' takes an immediate", f"write {base} $NUMBER")
            if base == "int" and ops == [Imm(Number(3))]:
                return _Request("int3", [])
            return _Request(base, ops, 1)
        return _Request(base, ops)

    def _imm8_first(self, base: str, ops: list[Operand]) -> None:
        for operand in ops[1:]:
            if isinstance(operand, Imm):
                raise Problem(f"the immediate of `{base}' comes first")

    def _mov(self, base: str, suffix: str | None, ops: list[Operand]) -> _Request:
        special = [o for o in ops if isinstance(o, Reg) and o.name not in GENERAL]
        if not special:
            size = self._size(base, suffix, ops, "bwl")
            return _Request(base + size, ops, WIDTH[size])
        other = ops[0] if ops[1] is special[0] else ops[1]
        name = special[0].name
        if len(special) > 1:
            raise Problem(f"`mov' between `%{name}' and `%{special[1].name}' does not exist",
                          "go through a general register")  # fmt: skip
        if name in CONTROL or name in DEBUG:
            if not isinstance(other, Reg) or other.name not in REG32 or suffix not in (None, "l"):
                raise Problem(f"`%{name}' only moves to and from a 32-bit register")
            return _Request("movl", ops)
        if name not in SEGMENTS:
            raise Problem(f"`%{name}' cannot be an operand of `mov'")
        if isinstance(other, Imm):
            raise Problem(f"an immediate cannot be loaded into `%{name}'",
                          "load it into a general register first")  # fmt: skip
        if isinstance(other, Mem):
            if suffix not in (None, "w"):
                raise Problem(f"`%{name}' moves 16 bits to or from memory", "write movw")
            return _Request("movw", ops)
        size = self._size(base, suffix, [other], "wl")
        return _Request("mov" + size, ops)

    def _shift(self, spec: Spec, base: str, suffix: str | None, ops: list[Operand]) -> _Request:
        rest = ops
        if len(ops) == spec.counts[-1]:
            count = ops[0]
            if isinstance(count, Reg) and count.name != "cl":
                raise Problem(f"the count of `{base}' is an immediate or %cl, not %{count.name}")
            if isinstance(count, Mem):
                raise Problem(
                    f"the count of `{base}' is an immediate or %cl", "write $N for a number"
                )
            rest = ops[1:]
        size = self._size(base, suffix, rest, spec.sizes)
        if ops and ops[0] == Imm(Number(1)) and spec.kind == "shift" and len(ops) == 2:
            ops = rest  # gas picks the form without an immediate
        return _Request(base + size, ops, 1)

    def _port(self, base: str, suffix: str | None, ops: list[Operand]) -> _Request:
        ports = [o for o in ops if isinstance(o, Imm) or o == Reg("dx")]
        accumulators = [o for o in ops if isinstance(o, Reg) and o.name in ("al", "ax", "eax")]
        expected = ops[0] if base == "in" else ops[-1]
        if not ports or ports[0] != expected or len(ports) + len(accumulators) != len(ops):
            shape = "PORT,%al" if base == "in" else "%al,PORT"
            raise Problem(f"`{base}' takes {shape} with the port in %dx or as $N",
                          "the register is %al, %ax or %eax")  # fmt: skip
        size = self._size(base, suffix, [*accumulators], "bwl")
        accumulator = Reg({"b": "al", "w": "ax", "l": "eax"}[size])
        full: list[Operand] = [ports[0], accumulator] if base == "in" else [accumulator, ports[0]]
        return _Request(base + size, full, 1)

    def _pointer(self, kind: str, base: str, suffix: str | None, ops: list[Operand]) -> _Request:
        register, memory = (ops[0], ops[1]) if kind == "bound" else (ops[1], ops[0])
        if not isinstance(register, Reg) or not isinstance(memory, Mem):
            order = "REGISTER,ADDRESS" if kind == "bound" else "ADDRESS,REGISTER"
            raise Problem(f"`{base}' takes {order}")
        size = self._size(base, suffix, [register], "wl")
        # The engine does not know bound: it has lea's operands, and another opcode.
        return _Request(("lea" if kind == "bound" else base) + size, [memory, register])

    def _extend(self, base: str, ops: list[Operand]) -> _Request:
        source, target = ops
        if not isinstance(target, Reg) or target.name not in GENERAL:
            raise Problem(f"the destination of `{base}' is a register")
        to = GENERAL[target.name]
        letters = "" if base in ("movzx", "movsx") else base[4:]
        if letters:
            size = letters[0]
        elif isinstance(source, Reg) and source.name in GENERAL:
            size = GENERAL[source.name]
        else:
            stem = base[:4]
            raise Problem(f"nothing gives the source size of `{base}'",
                          f"write {stem}b{to} or {stem}w{to}")  # fmt: skip
        if isinstance(source, Imm) or (
            isinstance(source, Reg) and GENERAL.get(source.name) != size
        ):
            raise Problem(
                f"the source of `{base}' is not a {8 * WIDTH[size]}-bit register or memory"
            )
        if (len(letters) == 2 and letters[1] != to) or WIDTH[size] >= WIDTH[to]:
            raise Problem(f"`%{target.name}' cannot be the destination of `{base}'")
        return _Request(base[:4] + size + to, ops)

    def _indirect(self, kind: str, base: str, ops: list[Operand]) -> _Request:
        star = ops[0]
        if len(ops) != 1 or not isinstance(star, Star):
            raise Problem(f"`{base}' takes one target")
        if kind == "far" and not isinstance(star.target, Mem):
            raise Problem(f"`{base}' goes through memory", f"write {base} *ADDRESS")
        if isinstance(star.target, Reg) and star.target.name not in REG32:
            raise Problem(f"`{base}' through `%{star.target.name}'", "use a 32-bit register")
        return _Request(base + "l", ops)

    # -- the engine ------------------------------------------------------------------------

    def _run(self, request: _Request, mnemonic: str) -> None:
        variants = self._render(request)
        encodings = []
        for text in variants.texts:
            data = self._engine.encode(text)
            if data is None:
                raise Problem(
                    f"`{mnemonic}' does not take these operands",
                    "see the instruction's forms in the Intel manual, vol. 2",
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
            body[fix.offset : fix.offset + fix.width] = bytes(fix.width)
        request.body = bytes(body)

    def _render(self, request: _Request) -> _Variants:
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
            else:
                memory = operand.target if isinstance(operand, Star) else operand
                if isinstance(memory, Mem):
                    width, value = 4, memory.displacement
            if value is None or isinstance(value, Number):
                number = None if value is None else signed(value.value, width, "value")
                for render in renders:
                    render.append(_text(operand, number))
                continue
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

    def _prefix(
        self, request: _Request, prefixes: list[str], operands: list[Operand], spec: Spec
    ) -> tuple[bytes, list[Fix]]:
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
        front = bytearray()
        for operand in operands:
            memory = operand.target if isinstance(operand, Star) else operand
            if isinstance(memory, Mem) and memory.segment not in (None, default_segment(memory)):
                front.append(SEGMENT_PREFIX[str(memory.segment)])
        wait = b""
        if front and body[0] == 0x9B:
            wait, body, removed = b"\x9b", body[1:], removed + 1
        data = wait + bytes(front) + size_prefix + bytes(PREFIXES[name] for name in prefixes) + body
        shift = len(data) - len(body) - removed
        return data, [replace(fix, offset=fix.offset + shift) for fix in request.fixes]


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
