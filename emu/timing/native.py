"""The cycle model in C (emu/_timing.h): its memory, and handing it instructions and numbers."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterable
from typing import Any

from emu.blocks import Blocks
from emu.ctrl_c import ctrl_c_waits
from emu.engine_quirks import FIELD, ContextLayout
from emu.hooks import FLAG_WORDS, EngineState
from emu.layout import check_layout
from emu.timing import rules
from emu.timing.cost import Cost
from emu.timing.decode import Decoded
from emu.timing.engine import GATE, GATE_MEMORY, SEGMENTS, State, totals
from emu.timing.insn import Insn
from emu.timing.model import NOWHERE
from emu.timing.profiles import Profile
from emu.timing.records import LONGEST, cost_of, decoded
from emu.timing.rules import INSTRUCTION_RULES, STRING_MISS

_RULES = len(INSTRUCTION_RULES)
#: Instructions kept at a time; when there are more, their counts are put aside in Python.
CAPACITY = 1 << 16
_BUCKETS = 1 << 16
_U32, _U64, _U8, _U16 = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint8, ctypes.c_uint16
_I32 = ctypes.c_int32


class NativeAccess(ctypes.Structure):
    """One memory operand, as struct access of emu/_timing.h has it: change both."""

    _fields_ = (("where", _U8), ("use", _U8), ("size", _U16))


class NativeInsn(ctypes.Structure):
    """struct insn: change both."""

    _fields_ = (
        *(("code", _U8 * 16), ("mask", _U64 * 2)),
        *((n, _U64) for n in ("count", "taken_count")),
        ("spent", _U64 * _RULES),
        *((n, _U32) for n in ("address", "next")),
        *((n, ctypes.c_int32) for n in ("displacement", "immediate")),
        *((n, _U16) for n in ("base", "taken", "fixed")),
        *((n, _U16) for n in ("rep_none", "rep_one", "rep_start", "rep_each")),
        *(
            (n, _U8)
            for n in (
                *("length", "kind", "flags", "components"),
                *("address_registers", "reads", "writes", "byte_writes"),
                *("ea_base", "ea_index", "ea_scale", "segment"),
                *("source", "size", "condition", "control"),
                *("read_miss", "access_count"),
            )
        ),
        ("access", NativeAccess * 2),
    )


#: The part of a record that the bytes alone decide.
_STATIC = NativeInsn.displacement.offset
_STATIC_SIZE = ctypes.sizeof(NativeInsn) - _STATIC
_LENGTH, _DISPLACEMENT = NativeInsn.length.offset, NativeInsn.displacement.offset
_IMMEDIATE = NativeInsn.immediate.offset
_LONGEST_HEAD = 8


def _at_once() -> None:
    """Nothing has to be stopped: the run ends when Ctrl-C is raised."""


class TimingState(ctypes.Structure):
    """struct timing: change both."""

    _fields_ = (
        *(
            (n, _U64)
            for n in (
                *("env", "decode", "insns", "buckets", "user_cycles", "before"),
                *("gates", "gate_memory"),
            )
        ),
        *((n, _U64 * _RULES) for n in ("pending", "rep_pending")),
        ("store_done", _U64 * 4),
        *((n, _U32) for n in ("capacity", "used", "bucket_mask", "current")),
        *((n, _U32) for n in ("agi", "byte_register", "misaligned", "accessed", "memory", "i386")),
        *((n, _U32) for n in ("rmw_miss", "segment_miss", "sequential_code_miss")),
        *(("walk", _U32), ("walk_line", _U32), ("walk_updates", _U32 * 3)),
        *(("store_clocks", _U32), ("gate_clocks", _U32 * 2), ("page_fault", _U32)),
        *(("gate_miss", _U32 * 2), ("iret_miss", _U32 * 2)),
        ("at_base", _U32 * 6),
        *((f"at_{n}", _U32) for n in ("hflags", "gdt", "ldt", "cr0", "cr3", "cr4", "eip")),
        *((n, _U32) for n in ("previous_writes", "previous_bytes", "code_line", "code_next")),
        *(
            (n, _U32)
            for n in ("taken", "stores", "rep_start", "rep_left", "iterations", "user", "dirty")
        ),
        *(("l1_tags", _U32 * 512), ("l1_bits", _U32 * 128)),
        *(("tlb_tags", _U32 * 32), ("tlb_bits", _U32 * 8)),
        *(("tlb_frames", _U32 * 32), ("tlb_dirty", _U32 * 32)),
        *(("l1_last", _U32 * 128), ("tlb_last", _U32 * 8)),
    )


_CARRY = ("previous_writes", "previous_bytes", "code_line", "code_next")
_ARRAYS = ("l1_tags", "l1_bits", "tlb_tags", "tlb_bits", "tlb_frames", "tlb_dirty", "store_done")


def fill(record: NativeInsn, cost: Cost) -> None:
    """Put an instruction's static cost into its record."""
    d = cost.decoded
    record.displacement = ctypes.c_int32(d.displacement & 0xFFFFFFFF).value
    record.immediate = ctypes.c_int32(d.immediate & 0xFFFFFFFF).value
    record.base, record.taken, record.fixed = cost.base, cost.taken, cost.fixed
    record.rep_none, record.rep_one, record.rep_start, record.rep_each = cost.rep
    record.length, record.kind, record.flags = d.length, cost.kind, cost.flags
    record.components = d.components
    record.address_registers, record.reads = d.address_registers, d.reads
    record.writes, record.byte_writes = d.writes, d.byte_writes
    record.ea_base, record.ea_index, record.ea_scale = d.base, d.index, d.scale
    record.segment, record.source, record.size = d.segment, d.source, d.size
    record.condition, record.control = d.condition, d.control
    record.read_miss, record.access_count = cost.read_miss, len(cost.accesses)
    for slot, access in zip(record.access, cost.accesses, strict=False):
        slot.where, slot.use, slot.size = access


class Instructions:
    """The instructions that the native hooks have met, looked up by address and bytes: lengths, no clocks."""

    def __init__(self, state: EngineState, layout: ContextLayout, module: Any) -> None:
        for name, mirror in (("timing", TimingState), ("access", NativeAccess)):
            check_layout(module, name, mirror)
        record = check_layout(module, "insn", NativeInsn)
        self._state = state
        self._memory = mmap.mmap(-1, CAPACITY * record)
        self._insns = (NativeInsn * CAPACITY).from_buffer(self._memory)
        self._buckets = (_U32 * _BUCKETS)()
        self._decoder = self._decode  # kept alive: the hooks have its address
        self._t = t = TimingState()
        t.decode = id(self._decoder)
        t.insns, t.buckets = ctypes.addressof(self._insns), ctypes.addressof(self._buckets)
        t.capacity, t.bucket_mask = CAPACITY, _BUCKETS - 1
        start = layout.fields[FIELD["eax"]][0]
        at = {name: layout.fields[index][0] - start for name, index in FIELD.items()}
        t.at_base[:] = [at[f"{name}_base"] for name in SEGMENTS]
        t.at_hflags, t.at_gdt, t.at_ldt = at["hflags"], at["gdt_base"], at["ldtr_base"]
        t.at_cr0, t.at_cr3, t.at_cr4, t.at_eip = at["cr0"], at["cr3"], at["cr4"], at["eip"]
        #: By the bytes up to displacement and immediate: a record, what POP adds, and their sizes.
        self._templates: dict[bytes, tuple[NativeInsn, int, int, int]] = {}
        #: How many bytes that may be, by the first one.
        self._heads: dict[int, tuple[int, ...]] = {}
        #: Blocks of these instructions, where they can run whole.
        self.blocks = Blocks(state, module, ctypes.addressof(t), timed=self.timed)

    timed = False

    def attach(self, env: int) -> None:
        """The engine's live registers are at this host address (now)."""
        self._t.env = env
        flags = self._t.at_eip + 8
        known = self._t.at_hflags - flags == 8 * FLAG_WORDS
        self._state.flags_at = env + flags if known else 0

    def _decode(self, address: int | None) -> None:
        """From C, in a run: fill the record at a host address in; None: there is no room for more.

        What it raises is raised again by the run, which asks once more before (emu/_decode_call.h).
        """
        if address is None:
            with ctrl_c_waits(_at_once):  # the counts must not be put aside twice
                self._empty()
            return
        mapped = _U8.from_address(address + _LENGTH).value
        code = ctypes.string_at(address, min(mapped, LONGEST))
        if not self._from_template(address, code):
            record = NativeInsn.from_address(address)
            self._keep_template(record, self._fill(record, code), code)

    def _fill(self, record: NativeInsn, code: bytes) -> Decoded:
        d = decoded(code)
        record.length = d.length
        return d

    def _from_template(self, address: int, code: bytes) -> bool:
        """Fill a record in from one that differs in displacement and immediate only."""
        for head in self._heads.get(code[0], ()):
            found = self._templates.get(code[:head])
            if found is None:
                continue
            template, more, displacement, immediate = found
            if template.length > len(code):
                return False
            ctypes.memmove(address + _STATIC, ctypes.addressof(template) + _STATIC, _STATIC_SIZE)
            if displacement:
                value = int.from_bytes(code[head : head + displacement], "little", signed=True)
                _I32.from_address(address + _DISPLACEMENT).value = value + more
            if immediate:
                at = head + displacement
                value = int.from_bytes(code[at : at + immediate], "little", signed=True)
                _I32.from_address(address + _IMMEDIATE).value = value
            return True
        return False

    def _keep_template(self, record: NativeInsn, d: Decoded, code: bytes) -> None:
        tail = d.displacement_size + d.immediate_size
        if not d.head or d.head > _LONGEST_HEAD or d.head + tail != d.length:
            return  # unknown, or with two immediates
        if d.mnemonic in ("rcl", "rcr"):
            return  # the immediate decides what they cost
        at, size = d.head, d.displacement_size
        raw = int.from_bytes(code[at : at + size], "little", signed=True)
        template = NativeInsn.from_buffer_copy(record)
        self._templates[code[: d.head]] = (template, d.displacement - raw, size, d.immediate_size)
        self._heads[code[0]] = tuple(sorted({*self._heads.get(code[0], ()), d.head}))

    def _empty(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.blocks.forget()
        ctypes.memset(self._t.buckets, 0, ctypes.sizeof(self._buckets))
        self._t.used = 0  # last: so C knows that all is done


class NativeTiming(Instructions):
    """The model that the native hooks drive."""

    timed = True

    def __init__(
        self, profile: Profile, state: EngineState, layout: ContextLayout, module: Any
    ) -> None:
        super().__init__(state, layout, module)
        self.profile = profile
        self._gate = ctypes.CFUNCTYPE(
            _U64, ctypes.c_void_p, ctypes.c_void_p, _U32, _U32, _U32, _U32
        )(module.timing_gate)
        self._copy_lines = ctypes.CFUNCTYPE(_U32, ctypes.c_void_p, _U32, _U32, _U32)(
            module.timing_copy_lines
        )
        self._put_aside: dict[tuple[int, bytes], Insn] = {}
        self._earlier: dict[str, int] = {}
        self._summed: list[tuple[bytes, list[int]]] = []  # records as they were, and their clocks
        self._sums: list[int] = [0] * _RULES  # of these and of what was put aside
        self._judged = 0  # so many records were looked at, and these have no known cost
        self._unknown: list[int] = []
        self._set_up(profile)
        state.timing = ctypes.addressof(self._t)

    def _set_up(self, p: Profile) -> None:
        t = self._t
        t.agi, t.byte_register, t.misaligned = p.agi, p.byte_register, p.misaligned
        t.accessed, t.memory, t.i386 = p.accessed, p.memory, p.i386
        t.rmw_miss, t.segment_miss = rules.RMW_MISS, rules.SEGMENT_MISS
        t.sequential_code_miss = rules.SEQUENTIAL_CODE_MISS
        t.walk, t.walk_line = rules.WALK, rules.WALK_LINE
        t.walk_updates[:] = rules.WALK_UPDATES
        t.store_clocks = rules.STORE_CLOCKS
        t.gate_clocks[:], t.page_fault = (p.gate_same, p.gate_inner), p.page_fault
        t.gate_miss[:], t.iret_miss[:] = rules.GATE_MISS, rules.IRET_MISS
        t.code_line = t.code_next = NOWHERE

    # -- instructions ------------------------------------------------------------------------------

    def _fill(self, record: NativeInsn, code: bytes) -> Decoded:
        cost = cost_of(code, self.profile)
        fill(record, cost)
        return cost.decoded

    def _key(self, record: NativeInsn) -> tuple[int, bytes]:
        return int(record.address), bytes(record.code)[: record.length]

    def _empty(self) -> None:
        """Put the counts of all records aside and start again."""
        self._add_records(self._put_aside, range(self._t.used))
        self._clear()
        self._summed, self._sums = [], totals(self._put_aside.values())

    def _clear(self) -> None:
        super()._clear()
        self._judged, self._unknown = 0, []

    def _add_records(self, found: dict[tuple[int, bytes], Insn], numbers: Iterable[int]) -> None:
        """Add what these records have counted: work by their number, however much was put aside before."""
        self.blocks.fold()
        for number in numbers:
            record = self._insns[number]
            key = self._key(record)
            insn = found.get(key)
            if insn is None:
                insn = found[key] = Insn(*key, cost_of(key[1], self.profile))
            insn.count += record.count
            insn.taken += record.taken_count
            insn.spent = [a + b for a, b in zip(insn.spent, record.spent, strict=True)]

    def insns(self) -> Iterable[Insn]:
        found = {key: self._copy(insn) for key, insn in self._put_aside.items()}
        self._add_records(found, range(self._t.used))
        return [found[key] for key in sorted(found)]

    def unknown(self) -> Iterable[Insn]:
        used = int(self._t.used)
        for number in range(self._judged, used):
            if not cost_of(self._key(self._insns[number])[1], self.profile).known:
                self._unknown.append(number)
        self._judged = used
        aside = self._put_aside.items()
        found = {key: self._copy(insn) for key, insn in aside if not insn.cost.known}
        self._add_records(found, self._unknown)
        return [found[key] for key in sorted(found)]

    @staticmethod
    def _copy(insn: Insn) -> Insn:
        return Insn(insn.address, insn.code, insn.cost, insn.count, insn.taken, list(insn.spent))

    # -- what the clock asks -------------------------------------------------------------------------

    @property
    def cycles(self) -> int:
        return int(self._state.cycles)

    @property
    def user_cycles(self) -> int:
        return int(self._t.user_cycles)

    @user_cycles.setter
    def user_cycles(self, value: int) -> None:
        self._t.user_cycles = value

    def by_rule(self) -> dict[str, int]:
        self._sum_up()
        now = zip(INSTRUCTION_RULES, self._sums, strict=True)
        return {name: clocks + self._earlier.get(name, 0) for name, clocks in now}

    def _sum_up(self) -> None:
        """Add what records have got since the last time: most have got nothing."""
        self.blocks.fold()
        size, known = ctypes.sizeof(NativeInsn), self._summed
        raw = ctypes.string_at(ctypes.addressof(self._insns), int(self._t.used) * size)
        known += [(b"", [0] * _RULES)] * (len(raw) // size - len(known))
        for number, (before, clocks) in enumerate(known):
            now = raw[number * size : (number + 1) * size]
            if now == before:
                continue
            record = self._insns[number]
            key = self._key(record)
            insn = Insn(*key, cost_of(key[1], self.profile))
            insn.count, insn.taken = record.count, record.taken_count
            insn.spent = list(record.spent)
            spent = insn.by_rule()
            known[number] = now, spent
            self._sums = [s + b - a for s, a, b in zip(self._sums, clocks, spent, strict=True)]

    def flush_tlb(self) -> None:
        t = self._t
        ctypes.memset(ctypes.addressof(t) + TimingState.tlb_tags.offset, 0, 4 * (32 + 8))
        self._forget_last()
        t.code_line = NOWHERE

    def _forget_last(self) -> None:
        """Sets have been changed here: which tag was touched last is the extension's to find again."""
        ctypes.memset(ctypes.addressof(self._t) + TimingState.l1_last.offset, 0, 4 * (128 + 8))

    def take_deliveries(self) -> dict[str, int]:
        t = self._t
        taken = {GATE: int(t.gates), GATE_MEMORY: int(t.gate_memory)}
        t.gates = t.gate_memory = 0
        return {rule: clocks for rule, clocks in taken.items() if clocks}

    def trap_taken(self) -> None:
        t = self._t
        t.previous_writes = t.previous_bytes = 0
        t.code_line = t.code_next = NOWHERE

    def gate(self, accesses: list[tuple[int, int]], pushed: tuple[int, int], inward: bool) -> int:
        if not self.profile.memory:
            return 0
        flat = [number & 0xFFFFFFFF for pair in accesses for number in pair]
        reads = (_U32 * len(flat))(*flat)
        state = ctypes.addressof(self._state)
        return int(self._gate(state, ctypes.addressof(reads), len(accesses), *pushed, inward))

    def copy_lines(self, destination: int, source: int, length: int) -> int:
        if not self.profile.memory:
            return 0
        t = ctypes.addressof(self._t)
        return int(self._copy_lines(t, destination, source, length)) * STRING_MISS["movs"][1]

    # -- snapshots -----------------------------------------------------------------------------------

    def save(self) -> State:
        t = self._t
        found = {"carry": [int(getattr(t, name)) for name in _CARRY]}
        return found | {name: list(getattr(t, name)) for name in _ARRAYS}

    def load(self, state: State, by_rule: dict[str, int]) -> None:
        self._put_aside = {}
        self._clear()
        self._summed, self._sums = [], [0] * _RULES
        self._earlier = {name: by_rule.get(name, 0) for name in INSTRUCTION_RULES}
        self._state.cycles = sum(self._earlier.values())
        for name, value in zip(_CARRY, state["carry"], strict=True):
            setattr(self._t, name, value)
        for name in _ARRAYS:
            getattr(self._t, name)[:] = state[name]
        self._forget_last()
