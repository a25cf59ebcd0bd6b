"""The shapes of instructions: which operands each kind takes, and the operand size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .errors import Problem
from .expressions import Node, Number
from .mnemonics import COMPARISONS, Spec
from .operands import (
    CONTROL,
    DEBUG,
    GENERAL,
    REG16,
    REG32,
    SEGMENTS,
    Imm,
    Mem,
    Operand,
    Reg,
    Star,
)

WIDTH: Final = {"b": 1, "w": 2, "l": 4}


@dataclass(frozen=True)
class Fix:
    """A field to be filled after layout: `width` bytes at `offset`; relative to the end of the
    instruction when `relative`. `signed8` fields of jumps must fit."""

    offset: int
    width: int
    value: Node
    relative: bool = False


@dataclass
class Request:
    """One instruction on its way to the engine: its mnemonic there, operands in the engine's order,
    the width of its immediate in bytes, and whether a value too wide for it is cut; then the bytes and the
    fields still open."""

    mnemonic: str
    operands: list[Operand]
    immediate_width: int = 0
    cuts: bool = False
    body: bytes = b""
    fixes: list[Fix] = field(default_factory=list)


def _size(base: str, suffix: str | None, operands: list[Operand], sizes: str) -> str:
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
                raise Problem(f"incorrect register `%{operand.name}' used with `{suffix}' suffix")
            raise Problem(f"operand sizes of `{base}' do not match", _one_size(base, operands))
    if found is None and sum(isinstance(o, Mem) and o.base is not None for o in operands) > 1:
        raise Problem(f"too many memory references for `{base}'",
                      "one operand may be in memory: go through a register")  # fmt: skip
    if found is None:
        names = " or ".join(base + letter for letter in sizes)
        raise Problem(
            f"no size suffix and no register gives the size of `{base}'", f"write {names}"
        )
    if found not in sizes:
        wide = " and ".join(f"{8 * WIDTH[letter]}" for letter in sizes)
        raise Problem(
            f"`{base}' has no {8 * WIDTH[found]}-bit form", f"it takes operands of {wide} bits"
        )
    return found


def _one_size(base: str, operands: list[Operand]) -> str:
    """How the two registers of an instruction get one size."""
    letters = [GENERAL[o.name] for o in operands if isinstance(o, Reg) and o.name in GENERAL]
    if base == "mov" and len(letters) == 2 and WIDTH[letters[0]] < WIDTH[letters[1]]:
        return f"movz{letters[0]}{letters[1]} widens with zeros, movs{letters[0]}{letters[1]} with the sign"
    return "all registers of one instruction are of one size: %al, %ax or %eax"


def shape(spec: Spec, base: str, suffix: str | None, ops: list[Operand]) -> Request:
    """What to send to the engine for one instruction; Problem when its operands cannot be."""
    kind = spec.kind
    if kind == "mov":
        return _mov(base, suffix, ops)
    if kind in ("general", "symmetric", "imul", "byte"):
        if kind == "byte" and isinstance(ops[0], Mem):
            suffix = "b"
        size = _size(base, suffix, ops, spec.sizes)
        if kind == "symmetric" and isinstance(ops[0], Mem) and isinstance(ops[1], Reg):
            ops.reverse()  # gas keeps the register in the reg field, whichever way round
        if kind == "byte":
            return Request(base, ops)
        return Request(base + size, ops, WIDTH[size])
    if kind == "stack":
        if isinstance(ops[0], Reg) and ops[0].name in SEGMENTS:
            return Request(base + (suffix or "l"), ops)
        if isinstance(ops[0], Imm) and suffix is None:
            suffix = "l"
        if isinstance(ops[0], Mem) and suffix is None:
            suffix = "l"  # the only size gas has for it without a suffix
        size = _size(base, suffix, ops, spec.sizes)
        return Request(base + size, ops, WIDTH[size])
    if kind == "lea":
        if not isinstance(ops[0], Mem) or not isinstance(ops[1], Reg):
            raise Problem("`lea' takes an address and a register", "write lea 4(%eax),%ebx")
        return Request(base + _size(base, suffix, ops, spec.sizes), ops)
    if kind in ("shift", "shift2"):
        return _shift(spec, base, suffix, ops)
    if kind == "bit":
        size = _size(base, suffix, ops, spec.sizes)
        return Request(base + size, ops, 1)
    if kind == "selector":
        size = _size(base, suffix, ops[1:], spec.sizes)
        if isinstance(ops[0], Reg) and ops[0].name in REG16 and size == "l":
            ops[0] = Reg(
                "e" + ops[0].name
            )  # the engine takes no other; the selector is 16 bits wide
        return Request(base + size, ops)
    if kind == "bswap":
        return Request(base + _size(base, suffix, ops, spec.sizes), ops)
    if kind in ("in", "out"):
        return _port(base, suffix, ops)
    if kind in ("farpointer", "bound"):
        return _pointer(kind, base, suffix, ops)
    if kind == "nop":
        if not ops:
            if suffix:
                raise Problem("`nop' without operand has no size", "write nop")
            return Request(base, ops)
        return Request(base + _size(base, suffix, ops, spec.sizes), ops)
    if kind == "word":
        if isinstance(ops[0], Reg) and ops[0].name not in REG16:
            raise Problem(f"`{base}' takes a 16-bit register or memory")
        # The engine knows no verw with a suffix, and needs one nowhere for the others.
        return Request(base, ops)
    if kind == "store16":
        if isinstance(ops[0], Reg):
            size = _size(base, suffix, ops, spec.sizes)
            return Request(base + size, ops)
        if suffix == "l":
            raise Problem(f"`{base}' stores 16 bits to memory", f"write {base} or {base}w")
        return Request(base + "w", ops)
    if kind == "extend":
        return _extend(base, ops)
    if kind in ("branch", "call", "far"):
        return _indirect(kind, base, ops)
    return _plain(spec, base, ops)


def _plain(spec: Spec, base: str, ops: list[Operand]) -> Request:
    kind = spec.kind
    if kind == "memory":
        if not isinstance(ops[0], Mem):
            raise Problem(f"`{base}' takes an address")
        return Request(base, ops)
    if kind == "sse":
        if base in ("movsd", "cmpsd") and not ops:
            return Request(base[:-1] + "l", ops)
        _imm8_first(base, ops)
        if base.startswith("cvt") and base.endswith("2sil"):
            base = base[:-1]
        if base[:3] == "cmp" and base[3:-2] in COMPARISONS:
            return Request("cmp" + base[-2:], [Imm(Number(COMPARISONS.index(base[3:-2]))), *ops], 1)
        if sum(isinstance(operand, Mem) for operand in ops) > 1:
            raise Problem(f"`{base}' takes one memory operand")
        return Request(base, ops, 1)
    if kind == "ret":
        return Request(base + "l" if base == "lret" else base, ops, 2)
    if kind == "enter":
        return Request(base, ops, 2)
    if kind in ("int", "imm8"):
        if ops and not isinstance(ops[0], Imm):
            meant = ops[0].displacement if isinstance(ops[0], Mem) and not ops[0].base else None
            number = f"{meant.value:#x}" if isinstance(meant, Number) else "NUMBER"
            raise Problem(f"`{base}' takes an immediate", f"write {base} ${number}")
        if base == "int" and ops == [Imm(Number(3))]:
            return Request("int3", [])
        return Request(base, ops, 1)
    return Request(base, ops)


def _imm8_first(base: str, ops: list[Operand]) -> None:
    for operand in ops[1:]:
        if isinstance(operand, Imm):
            raise Problem(f"the immediate of `{base}' comes first")


def _mov(base: str, suffix: str | None, ops: list[Operand]) -> Request:
    special = [o for o in ops if isinstance(o, Reg) and o.name not in GENERAL]
    if not special:
        size = _size(base, suffix, ops, "bwl")
        return Request(base + size, ops, WIDTH[size])
    other = ops[0] if ops[1] is special[0] else ops[1]
    name = special[0].name
    if len(special) > 1:
        raise Problem(f"`mov' between `%{name}' and `%{special[1].name}' does not exist",
                      "go through a general register")  # fmt: skip
    if name in CONTROL or name in DEBUG:
        if not isinstance(other, Reg) or other.name not in REG32 or suffix not in (None, "l"):
            raise Problem(f"`%{name}' only moves to and from a 32-bit register")
        return Request("movl", ops)
    if name not in SEGMENTS:
        raise Problem(f"`%{name}' cannot be an operand of `mov'")
    if isinstance(other, Imm):
        raise Problem(f"an immediate cannot be loaded into `%{name}'",
                      "load it into a general register first")  # fmt: skip
    if isinstance(other, Mem):
        if suffix not in (None, "w"):
            raise Problem(f"`%{name}' moves 16 bits to or from memory", "write movw")
        return Request("movw", ops)
    size = _size(base, suffix, [other], "wl")
    return Request("mov" + size, ops)


def _shift(spec: Spec, base: str, suffix: str | None, ops: list[Operand]) -> Request:
    rest = ops
    if len(ops) == spec.counts[-1]:
        count = ops[0]
        if isinstance(count, Reg) and count.name != "cl":
            raise Problem(f"the count of `{base}' is an immediate or %cl, not %{count.name}")
        if isinstance(count, Mem):
            raise Problem(f"the count of `{base}' is an immediate or %cl", "write $N for a number")
        rest = ops[1:]
    size = _size(base, suffix, rest, spec.sizes)
    if ops and ops[0] == Imm(Number(1)) and spec.kind == "shift" and len(ops) == 2:
        ops = rest  # gas picks the form without an immediate
    return Request(base + size, ops, 1)


def _port(base: str, suffix: str | None, ops: list[Operand]) -> Request:
    ports = [o for o in ops if isinstance(o, Imm) or o == Reg("dx")]
    accumulators = [o for o in ops if isinstance(o, Reg) and o.name in ("al", "ax", "eax")]
    expected = ops[0] if base == "in" else ops[-1]
    if len(ports) != 1 or ports[0] != expected or len(accumulators) != len(ops) - 1:
        shape = "PORT,%al" if base == "in" else "%al,PORT"
        raise Problem(f"`{base}' takes {shape} with the port in %dx or as $N",
                      "the register is %al, %ax or %eax")  # fmt: skip
    size = _size(base, suffix, [*accumulators], "bwl")
    accumulator = Reg({"b": "al", "w": "ax", "l": "eax"}[size])
    full: list[Operand] = [ports[0], accumulator] if base == "in" else [accumulator, ports[0]]
    return Request(base + size, full, 1)


def _pointer(kind: str, base: str, suffix: str | None, ops: list[Operand]) -> Request:
    register, memory = (ops[0], ops[1]) if kind == "bound" else (ops[1], ops[0])
    if not isinstance(register, Reg) or not isinstance(memory, Mem):
        order = "REGISTER,ADDRESS" if kind == "bound" else "ADDRESS,REGISTER"
        raise Problem(f"`{base}' takes {order}")
    size = _size(base, suffix, [register], "wl")
    # The engine does not know bound: it has lea's operands, and another opcode.
    return Request(("lea" if kind == "bound" else base) + size, [memory, register])


def _extend(base: str, ops: list[Operand]) -> Request:
    source, target = ops
    if not isinstance(target, Reg) or target.name not in GENERAL:
        raise Problem(f"the destination of `{base}' is a register")
    to = GENERAL[target.name]
    letters = base[4:].removeprefix("x")
    if letters:
        size = letters[0]
    elif isinstance(source, Reg) and source.name in GENERAL:
        size = GENERAL[source.name]
    else:
        stem = base[:4]
        raise Problem(f"nothing gives the source size of `{base}'",
                      f"write {stem}b{to} or {stem}w{to}")  # fmt: skip
    if isinstance(source, Imm) or (isinstance(source, Reg) and GENERAL.get(source.name) != size):
        raise Problem(f"the source of `{base}' is not a {8 * WIDTH[size]}-bit register or memory")
    if (len(letters) == 2 and letters[1] != to) or WIDTH[size] >= WIDTH[to]:
        raise Problem(f"`%{target.name}' cannot be the destination of `{base}'")
    return Request(base[:4] + size + to, ops)


def _indirect(kind: str, base: str, ops: list[Operand]) -> Request:
    star = ops[0]
    if len(ops) != 1 or not isinstance(star, Star):
        raise Problem(f"`{base}' takes one target")
    if kind == "far" and not isinstance(star.target, Mem):
        raise Problem(f"`{base}' goes through memory", f"write {base} *ADDRESS")
    if isinstance(star.target, Reg) and star.target.name not in REG32:
        raise Problem(f"`{base}' through `%{star.target.name}'", "use a 32-bit register")
    return Request(base + "l", ops)
