"""Callers and local variables of compiled code, from what the compiler has left in the ELF file:
.eh_frame or .debug_frame (DWARF call frame information) and .debug_info."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: The i386 ABI's numbers of registers in DWARF.
REGISTERS: Final = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip")
_WORD: Final = 0xFFFFFFFF
_DW_OP_addr, _DW_OP_deref, _DW_OP_plus_uconst = 0x03, 0x06, 0x23
_DW_OP_reg0, _DW_OP_breg0, _DW_OP_fbreg, _DW_OP_call_frame_cfa = 0x50, 0x70, 0x91, 0x9C
_DW_OP_const1u, _DW_OP_const4s, _DW_OP_constu, _DW_OP_consts = 0x08, 0x0D, 0x10, 0x11
_DW_OP_lit0, _DW_OP_stack_value = 0x30, 0x9F
#: A damaged stack can lead round in circles.
DEEPEST: Final = 256


class _Unknown(Exception):
    """The file does not say."""


@dataclass(frozen=True)
class Variable:
    """A local variable or parameter at one moment: its address, else the register that has it, else the
    value that the compiler has put in its place, else nothing, when optimisation has left it nowhere."""

    name: str
    address: int | None
    register: str | None
    size: int
    value: int | None = None


class Unwinder:
    """Of one ELF file, which is loaded `bias` bytes above its own addresses. `word_at` raises ValueError
    where nothing is mapped."""

    def __init__(self, elf: bytes, bias: int = 0) -> None:
        from elftools.elf.elffile import ELFFile

        self._bias = bias
        self._ranges: list[tuple[int, int, Any]] = []
        self._info: Any = None
        try:
            self._info = info = ELFFile(io.BytesIO(elf)).get_dwarf_info()
            entries = info.EH_CFI_entries() if info.has_EH_CFI() else []
            entries += info.CFI_entries() if info.has_CFI() else []
            for entry in entries:
                if "initial_location" in getattr(entry, "header", {}):
                    low = entry.header["initial_location"]
                    self._ranges.append((low, low + entry.header["address_range"], entry))
        except Exception:  # whatever damaged debugging data raises: there is none, then
            self._ranges = []

    def callers(
        self, registers: Mapping[str, int], word_at: Callable[[int], int]
    ) -> list[dict[str, int]]:
        """Registers in each function that waits for a call, the innermost first. `eip` is where it goes
        on; what the callee may have overwritten is missing."""
        found: list[dict[str, int]] = []
        now = dict(registers)
        try:
            while len(found) < DEEPEST:
                before, now = now, self._caller(now, word_at, called=bool(found))
                if not now["eip"] or now["esp"] <= before["esp"]:
                    break
                found.append(now)
        except (_Unknown, ValueError, KeyError):
            pass
        return found

    def variables(
        self, registers: Mapping[str, int], word_at: Callable[[int], int]
    ) -> list[Variable]:
        """Parameters and local variables of the function at `eip`, in the source's order."""
        pc = registers["eip"] - self._bias
        try:
            unit, function = self._function(pc)
        except (_Unknown, ValueError, KeyError):
            return []
        return [
            self._variable(die, unit, function, registers, word_at)
            for die in _locals(function, pc)
            if "DW_AT_name" in _said(die).attributes
        ]

    # -- call frame information --------------------------------------------------------------------

    def _row(self, pc: int) -> Mapping[Any, Any]:
        for low, high, entry in self._ranges:
            if low <= pc < high:
                rows = [row for row in entry.get_decoded().table if row["pc"] <= pc]
                if rows:
                    row: Mapping[Any, Any] = rows[-1]
                    return row
        raise _Unknown

    def _cfa(self, row: Mapping[Any, Any], now: Mapping[str, int], word_at: _WordAt) -> int:
        rule = row["cfa"]
        if rule.expr is not None:
            return _evaluate(bytes(rule.expr), now, word_at)
        offset: int = rule.offset
        return now[REGISTERS[rule.reg]] + offset & _WORD

    def _caller(self, now: Mapping[str, int], word_at: _WordAt, *, called: bool) -> dict[str, int]:
        # A return address is behind the call, which may be the last instruction of its function.
        row = self._row(now["eip"] - self._bias - called)
        cfa = self._cfa(row, now, word_at)
        found = {name: now[name] for name in ("ebx", "ebp", "esi", "edi") if name in now}
        found["esp"] = cfa
        for number, rule in row.items():
            if not isinstance(number, int) or number >= len(REGISTERS):
                continue
            name = REGISTERS[number]
            if rule.type == "OFFSET":
                found[name] = word_at(cfa + rule.arg & _WORD)
            elif rule.type == "EXPRESSION":
                found[name] = word_at(_evaluate(bytes(rule.arg), now, word_at, cfa))
            elif rule.type == "UNDEFINED":
                found.pop(name, None)
        return found

    # -- variables ---------------------------------------------------------------------------------

    def _function(self, pc: int) -> tuple[Any, Any]:
        if self._info is None or not self._info.has_debug_info:
            raise _Unknown
        for unit in self._info.iter_CUs():
            for die in unit.get_top_DIE().iter_children():
                if die.tag == "DW_TAG_subprogram" and _covers(die, pc):
                    return unit, die
        raise _Unknown

    def _variable(
        self, die: Any, unit: Any, function: Any, now: Mapping[str, int], word_at: _WordAt
    ) -> Variable:
        about = _said(die)
        name = about.attributes["DW_AT_name"].value.decode("utf-8", "replace")
        try:
            size = _size(about)
            if "DW_AT_const_value" in die.attributes:
                constant = die.attributes["DW_AT_const_value"].value
                return Variable(
                    name, None, None, size, constant if isinstance(constant, int) else None
                )
            place = self._location(die, unit, now["eip"] - self._bias)
            if len(place) == 1 and _DW_OP_reg0 <= place[0] < _DW_OP_reg0 + 8:
                return Variable(name, None, REGISTERS[place[0] - _DW_OP_reg0], size)
            base = None
            if place[:1] == bytes([_DW_OP_fbreg]):
                base = self._frame_base(function, now, word_at)
            if place[-1:] == bytes([_DW_OP_stack_value]):
                value = _evaluate(place[:-1], now, word_at, base)
                return Variable(name, None, None, size, value - (value >> 31 << 32))
            moved = self._bias if place[:1] == bytes([_DW_OP_addr]) else 0
            return Variable(name, _evaluate(place, now, word_at, base) + moved, None, size)
        except (_Unknown, ValueError, KeyError):
            return Variable(name, None, None, 0)

    def _frame_base(self, function: Any, now: Mapping[str, int], word_at: _WordAt) -> int:
        """What DW_OP_fbreg counts from. Where that is %ebp, which clang says of a whole function, it is what
        %ebp will be or was outside of the part in which it is set."""
        frame = bytes(function.attributes["DW_AT_frame_base"].value)
        by_register = len(frame) == 1 and _DW_OP_reg0 <= frame[0] < _DW_OP_reg0 + 8
        try:
            row = self._row(now["eip"] - self._bias)
            cfa = self._cfa(row, now, word_at)
        except _Unknown:
            if not by_register:
                raise
            return now[REGISTERS[frame[0] - _DW_OP_reg0]]
        if not by_register:
            return _evaluate(frame, now, word_at, cfa)
        name = REGISTERS[frame[0] - _DW_OP_reg0]
        if name == "ebp" and REGISTERS[row["cfa"].reg or 0] == "esp":
            return cfa - 8 & _WORD  # behind the return address and the caller's %ebp
        return now[name]

    def _location(self, die: Any, unit: Any, pc: int) -> bytes:
        from elftools.dwarf.locationlists import LocationParser

        attribute = die.attributes["DW_AT_location"]
        parser = LocationParser(self._info.location_lists())
        parsed = parser.parse_from_attribute(attribute, unit["version"], die)
        if not isinstance(parsed, list):
            return bytes(parsed.loc_expr)
        low = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
        base = low.value if low is not None else 0
        for entry in parsed:
            if hasattr(entry, "base_address"):
                base = entry.base_address
            elif hasattr(entry, "begin_offset"):
                shift = 0 if getattr(entry, "is_absolute", False) else base
                if entry.begin_offset + shift <= pc < entry.end_offset + shift:
                    return bytes(entry.loc_expr)
        raise _Unknown


_WordAt = Callable[[int], int]
_BLOCKS: Final = ("DW_TAG_lexical_block", "DW_TAG_inlined_subroutine")


def _locals(die: Any, pc: int) -> Iterator[Any]:
    """Variables of a function, of the blocks in it that are being executed and of what is inlined there."""
    for child in die.iter_children():
        if child.tag in ("DW_TAG_formal_parameter", "DW_TAG_variable"):
            yield child
        elif child.tag in _BLOCKS and _covers(child, pc):
            yield from _locals(child, pc)


def _said(die: Any) -> Any:
    """What has an entry's name and type: itself, or the function's that this is one copy of."""
    if "DW_AT_name" not in die.attributes and "DW_AT_abstract_origin" in die.attributes:
        return die.get_DIE_from_attribute("DW_AT_abstract_origin")
    return die


def _covers(die: Any, pc: int) -> bool:
    low, high = die.attributes.get("DW_AT_low_pc"), die.attributes.get("DW_AT_high_pc")
    if "DW_AT_ranges" in die.attributes:
        return any(start <= pc < end for start, end in _ranges(die))
    if low is None or high is None:
        return False
    end = high.value if high.form == "DW_FORM_addr" else low.value + high.value
    return bool(low.value <= pc < end)


def _ranges(die: Any) -> Iterator[tuple[int, int]]:
    """The pieces of code that an entry is about, where it is more than one."""
    lists = die.cu.dwarfinfo.range_lists()
    low = die.cu.get_top_DIE().attributes.get("DW_AT_low_pc")
    base = low.value if low is not None else 0
    if lists is None:
        return
    for entry in lists.get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, cu=die.cu):
        if hasattr(entry, "base_address"):
            base = entry.base_address
        else:
            shift = 0 if getattr(entry, "is_absolute", False) else base
            yield entry.begin_offset + shift, entry.end_offset + shift


def _size(die: Any) -> int:
    """Bytes of a variable's type; 0 when it is not said, as for an array."""
    for _ in range(8):
        if die.tag in ("DW_TAG_pointer_type", "DW_TAG_reference_type"):
            return 4
        if "DW_AT_byte_size" in die.attributes:
            return int(die.attributes["DW_AT_byte_size"].value)
        if "DW_AT_type" not in die.attributes:
            break
        die = die.get_DIE_from_attribute("DW_AT_type")
        if die.tag == "DW_TAG_array_type":
            break
    return 0


def _evaluate(
    code: bytes, now: Mapping[str, int], word_at: _WordAt, base: int | None = None
) -> int:
    """A DWARF expression of the operations that compilers use for places. `base` is what
    DW_OP_fbreg counts from, and the canonical frame address. Raises _Unknown."""
    stack: list[int] = []
    at = 0
    while at < len(code):
        op = code[at]
        at += 1
        if _DW_OP_breg0 <= op < _DW_OP_breg0 + len(REGISTERS):
            offset, at = _leb(code, at, signed=True)
            stack.append(now[REGISTERS[op - _DW_OP_breg0]] + offset)
        elif op == _DW_OP_fbreg and base is not None:
            offset, at = _leb(code, at, signed=True)
            stack.append(base + offset)
        elif op == _DW_OP_call_frame_cfa and base is not None:
            stack.append(base)
        elif op == _DW_OP_addr:
            stack.append(int.from_bytes(code[at : at + 4], "little"))
            at += 4
        elif _DW_OP_lit0 <= op < _DW_OP_lit0 + 32:
            stack.append(op - _DW_OP_lit0)
        elif _DW_OP_const1u <= op <= _DW_OP_const4s:
            width = 1 << (op - _DW_OP_const1u) // 2
            data = code[at : at + width]
            stack.append(int.from_bytes(data, "little", signed=bool(op & 1)))
            at += width
        elif op in (_DW_OP_constu, _DW_OP_consts):
            number, at = _leb(code, at, signed=op == _DW_OP_consts)
            stack.append(number)
        elif op == _DW_OP_deref and stack:
            stack.append(word_at(stack.pop() & _WORD))
        elif op == _DW_OP_plus_uconst and stack:
            offset, at = _leb(code, at, signed=False)
            stack.append(stack.pop() + offset)
        else:
            raise _Unknown
    if not stack:
        raise _Unknown
    return stack[-1] & _WORD


def _leb(code: bytes, at: int, *, signed: bool) -> tuple[int, int]:
    value = shift = 0
    while at < len(code):
        byte = code[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value - (1 << shift if signed and byte & 0x40 else 0), at
    raise _Unknown
