"""The second opinion: what the engine made must disassemble to what the source said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import capstone
from capstone import x86

from .errors import Problem
from .expressions import Number
from .mnemonics import CONDITIONS, Spec
from .operands import REG16, Imm, Mem, Operand, Reg, Star

if TYPE_CHECKING:
    from .shapes import Fix

_EXTEND: Final = {"movz": "movzx", "movs": "movsx"}
# Kinds whose written operands are exactly the decoder's, in reverse order.
_STRICT: Final = frozenset(
    {"general", "mov", "stack", "lea", "bit", "bswap", "farpointer", "extend"}
)


class Verifier:
    """Disassembles encodings and compares them with the operands they came from."""

    def __init__(self) -> None:
        self._decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
        self._decoder.detail = True
        self._decoder16: capstone.Cs | None = None
        self._accepted: set[tuple[bytes, str, tuple[object, ...]]] = set()

    def check(
        self,
        data: bytes,
        base: str,
        spec: Spec,
        written: Sequence[Operand],
        fixes: Sequence[Fix],
        sent: Sequence[Operand],
    ) -> None:
        """Problem when `data` is not exactly the instruction that was written."""
        key = (data, base, tuple(map(_shape, written)))
        if key in self._accepted:
            return
        decoded = list(self._decoder.disasm(data, 0))
        if len(decoded) == 2 and decoded[0].mnemonic == "wait" and spec.decoded:
            decoded = decoded[1:]
            complete = decoded[0].address + decoded[0].size == len(data)
        else:
            complete = len(decoded) == 1 and decoded[0].size == len(data)
        if not complete:
            raise self._mismatch(data, base, "it does not decode as one instruction")
        instruction = decoded[0]
        if not self._same_name(instruction.mnemonic.split()[-1], base, spec):
            raise self._mismatch(data, base, f"it decodes as `{instruction.mnemonic}'")
        if instruction.mnemonic != "nop" or base == "nop":
            self._operands(instruction, data, base, spec, written, fixes)
        self._accepted.add(key)

    def whole(self, data: bytes, base: str, bits: int) -> None:
        """Problem when `data` is not one instruction of code of that many bits."""
        if bits == 16 and self._decoder16 is None:
            self._decoder16 = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_16)
        decoder = self._decoder if bits == 32 else self._decoder16
        assert decoder is not None
        decoded = list(decoder.disasm(data, 0))
        if data[:1] == b"\x9b" and len(decoded) == 2:
            decoded = [decoded[1]]
        if len(decoded) != 1 or decoded[0].address + decoded[0].size != len(data):
            raise self._mismatch(data, base, "it does not decode as one instruction")

    def _mismatch(self, data: bytes, base: str, why: str) -> Problem:
        return Problem(
            f"`{base}' with these operands is not encoded reliably: {data.hex(' ')}, but {why}",
            "write the bytes with .byte, or use another form",
        )

    def _same_name(self, decoded: str, base: str, spec: Spec) -> bool:
        for stem in ("cmov", "set"):
            if base.startswith(stem) and base[len(stem) :] in CONDITIONS:
                return decoded.startswith(stem) and (
                    CONDITIONS.get(decoded[len(stem) :]) == CONDITIONS[base[len(stem) :]]
                )
        if base == "xchg" and decoded == "nop":
            return True  # 90 is both: Intel SDM vol. 2, NOP
        if spec.kind == "extend":
            return decoded == _EXTEND[base[:4]]
        if spec.kind == "far":
            return decoded in (base, base[1:], base[1:] + "f", "l" + base[1:])
        if base == "int" and decoded in ("int3", "int"):
            return True
        if base in ("movsd", "cmpsd") or (spec.kind == "sse" and base.startswith("cmp")):
            return decoded in (base,) or decoded.startswith(base[:3])
        return decoded in (spec.decoded or (base,))

    def _operands(
        self,
        instruction: capstone.CsInsn,
        data: bytes,
        base: str,
        spec: Spec,
        written: Sequence[Operand],
        fixes: Sequence[Fix],
    ) -> None:
        if spec.kind in ("string", "none") or not written:
            return
        shown = list(instruction.operands)
        name = instruction.reg_name
        registers = {name(o.reg) for o in shown if o.type == x86.X86_OP_REG}
        implied = {"st(0)", "st", "dx", "cl"}
        for operand in written:
            operand = operand.target if isinstance(operand, Star) else operand
            if isinstance(operand, Mem):
                candidates = [o for o in shown if o.type == x86.X86_OP_MEM]
                if not any(self._same_memory(instruction, o, operand, fixes) for o in candidates):
                    raise self._mismatch(data, base, f"it decodes as `{_show(instruction)}'")
            elif isinstance(operand, Reg):
                same: object = operand.name in registers or operand.name in implied
                if spec.kind in ("word", "selector") or (data[0] == 0x8E and operand.name in REG16):
                    # The decoder names the whole register, or the source did.
                    same = same or {operand.name, "e" + operand.name, operand.name[1:]} & registers
                if not same:
                    raise self._mismatch(data, base, f"it decodes as `{_show(instruction)}'")
            elif isinstance(operand, Imm) and isinstance(operand.value, Number):
                self._immediate(instruction, data, base, spec, operand.value.value)
        if spec.kind in _STRICT and len(written) == 2 and len(shown) == 2:
            target = written[1]
            if isinstance(target, Reg) and (
                shown[0].type != x86.X86_OP_REG or name(shown[0].reg) != target.name
            ):
                raise self._mismatch(data, base, f"it decodes as `{_show(instruction)}'")
            if target.__class__ is Mem and shown[0].type != x86.X86_OP_MEM:
                raise self._mismatch(data, base, f"it decodes as `{_show(instruction)}'")

    def _immediate(
        self, instruction: capstone.CsInsn, data: bytes, base: str, spec: Spec, value: int
    ) -> None:
        if value == 1 and spec.kind == "shift":
            return
        if value == 3 and base == "int":
            return
        masks = (0xFF, 0xFFFF, 0xFFFFFFFF)
        for operand in instruction.operands:
            if operand.type == x86.X86_OP_IMM:
                width = {1: masks[0], 2: masks[1]}.get(operand.size, masks[2])
                if spec.kind in ("enter", "ret"):
                    width = masks[1]
                if (operand.imm - value) & width == 0:
                    return
        if spec.kind == "sse" and base.startswith("cmp"):
            return  # the predicate is part of the name that the decoder shows
        raise self._mismatch(data, base, f"it decodes as `{_show(instruction)}'")

    def _same_memory(
        self, instruction: capstone.CsInsn, shown: x86.X86Op, memory: Mem, fixes: Sequence[Fix]
    ) -> bool:
        name = instruction.reg_name
        base = name(shown.mem.base) if shown.mem.base else None
        index = name(shown.mem.index) if shown.mem.index else None
        if base != memory.base or index != memory.index:
            return False
        if index is not None and shown.mem.scale != memory.scale:
            return False
        if isinstance(memory.displacement, Number) or memory.displacement is None:
            wanted = memory.displacement.value if memory.displacement else 0
            if (shown.mem.disp - wanted) & 0xFFFFFFFF:
                return False
        segment = name(shown.mem.segment) if shown.mem.segment else None
        usual = "ss" if memory.base in ("esp", "ebp") else "ds"
        return (segment or usual) == (memory.segment or usual)


def _shape(operand: Operand) -> object:
    """What the check depends on: of an address or a value that is only known after layout, that it is one."""
    if isinstance(operand, Star):
        return "*", _shape(operand.target)
    if isinstance(operand, Mem):
        node = operand.displacement
        known = node.value if isinstance(node, Number) else node is None
        return known, operand.base, operand.index, operand.scale, operand.segment
    if isinstance(operand, Imm):
        return "$", operand.value.value if isinstance(operand.value, Number) else None
    return operand.name if isinstance(operand, Reg) else operand


def _show(instruction: capstone.CsInsn) -> str:
    return f"{instruction.mnemonic} {instruction.op_str}".strip()
