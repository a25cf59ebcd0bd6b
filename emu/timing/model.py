"""The cycle model in Python: the specification that emu/_timing.h is the fast twin of.

    begin(insn)   before an instruction: what depends on registers and memory as they are now
    iterate()     before each further iteration of a REP instruction
    finish(next)  it has completed and the next is at `next`: everything is charged
    abandon()     it faulted: nothing is charged, except what a REP has done

Lookups in L1 and TLB are made when an attempt begins, as hardware makes them; an attempt that faults
leaves them changed, but costs no clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import capstone

from emu.timing import rules
from emu.timing.cost import (
    ADDRESS16,
    IMMEDIATE_MULTIPLIER,
    MEMORY_SOURCE,
    PLUS_M,
    POPS_SEGMENT,
    SIGNED,
    Cost,
    Kind,
)
from emu.timing.decode import (
    AT_BIT,
    AT_EBP,
    AT_EDI,
    AT_ESI,
    AT_POP,
    AT_PUSH,
    AT_XLAT,
    NO_REGISTER,
    Access,
)
from emu.timing.memory import L1, LINE_SHIFT, Tlb, WriteBuffers
from emu.timing.profiles import Profile
from emu.timing.rules import INSTRUCTION_RULES
from emu.timing.x87 import READ, RMW, WRITE

_WORD = 0xFFFFFFFF
_EAX, _ECX, _EBX, _ESP, _EBP, _ESI, _EDI = 0, 1, 3, 4, 5, 6, 7
_ES, _SS = 0, 2
_PRESENT, _ACCESSED, _DIRTY, _LARGE = 1, 0x20, 0x40, 0x80
_FLAG_CF, _FLAG_PF, _FLAG_ZF, _FLAG_SF, _FLAG_OF = 1, 4, 0x40, 0x80, 0x800
_FLAG_VM = 1 << 17
NOWHERE = 0xFFFFFFFF


class Processor(Protocol):
    """What the model asks of the CPU and its memory, as they are between two instructions."""

    def register(self, number: int) -> int:
        """A general register, 0 = EAX ... 7 = EDI."""

    def flags(self) -> int:
        """EFLAGS."""

    def segment_base(self, number: int) -> int:
        """Base of ES CS SS DS FS GS, 0 to 5."""

    def cpl(self) -> int:
        """Current privilege level."""

    def tables(self) -> tuple[int, int]:
        """Bases of the GDT and the LDT."""

    def paging(self) -> tuple[bool, int, bool]:
        """(CR0.PG, directory's physical address, CR4.PSE)."""

    def read_physical(self, address: int) -> int | None:
        """A 32-bit word of RAM; None outside it."""

    def read_linear(self, address: int, size: int) -> int | None:
        """An unsigned number of 1, 2 or 4 bytes; None where nothing is mapped."""


@lru_cache(maxsize=1)
def disassembler() -> capstone.Cs:
    """For names and lengths of what the opcode map does not have, and for listings."""
    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)


@dataclass
class Insn:
    """One instruction at one linear address, with what it has spent."""

    address: int
    code: bytes
    cost: Cost
    count: int = 0
    taken: int = 0
    spent: list[int] = field(default_factory=lambda: [0] * len(INSTRUCTION_RULES))

    def text(self) -> str:
        """The mnemonic, as a disassembler prints it."""
        found = next(disassembler().disasm_lite(self.code, self.address), None)
        return found[2] if found else self.code.hex(" ")

    def by_rule(self) -> list[int]:
        """Clocks by rule, in the order of INSTRUCTION_RULES."""
        c, out = self.cost, list(self.spent)
        out[rules.RULE["base"]] += (self.count - self.taken) * c.base + self.taken * c.taken
        for name, clocks in (
            *(("index", c.index), ("disp+imm", c.disp_imm)),
            *(("prefix", c.prefix), ("unknown", c.unknown)),
        ):
            out[rules.RULE[name]] += self.count * clocks
        return out


def condition(flags: int, code: int) -> bool:
    """Whether a condition code (the low four bits of Jcc, SETcc) holds."""
    cf, zf = bool(flags & _FLAG_CF), bool(flags & _FLAG_ZF)
    sf, of, pf = bool(flags & _FLAG_SF), bool(flags & _FLAG_OF), bool(flags & _FLAG_PF)
    found = (of, cf, zf, cf or zf, sf, pf, sf != of, zf or sf != of)[code >> 1]
    return found != bool(code & 1)


class Model:
    """One CPU's time. `cycles` are those of completed instructions."""

    def __init__(self, profile: Profile, processor: Processor) -> None:
        self.profile = profile
        self.cycles = 0
        #: Those of them that instructions in ring 3 took.
        self.user_cycles = 0
        self._user = False
        self._before = 0
        #: Clocks charged outside instructions: time that has passed as well.
        self.offset = 0
        self._cpu = processor
        self.l1, self.tlb, self.buffers = L1(), Tlb(), WriteBuffers()
        self.previous_writes = self.previous_bytes = 0
        self.code_line = self.code_next = NOWHERE
        self._insn: Insn | None = None
        self._pending = [0] * len(INSTRUCTION_RULES)
        self._taken = False
        self._rep_start = self._rep_left = self._iterations = self._stores = 0
        self._rep_pending = [0] * len(INSTRUCTION_RULES)

    @property
    def in_flight(self) -> bool:
        """An instruction has begun and been neither finished nor abandoned."""
        return self._insn is not None

    # -- the life of an instruction ----------------------------------------------------------------

    def begin(self, insn: Insn) -> None:
        """An attempt to execute an instruction starts."""
        cost, d = insn.cost, insn.cost.decoded
        self._insn = insn
        self._pending = [0] * len(INSTRUCTION_RULES)
        self._taken = False
        self._user = self._cpu.cpl() == 3
        self._before = self.cycles
        self._stores = 0
        if (self.previous_writes | self.previous_bytes) & d.address_registers:
            self._add("agi", self.profile.agi)
        if self.previous_bytes & d.reads:
            self._add("byte register", self.profile.byte_register)
        if self.profile.memory:
            self._fetch(insn.address, d.length)
        if cost.kind == Kind.REP:
            self._rep_start = self._rep_left = self._count(cost)
            self._iterations = 0
            if self._rep_start:
                self._operands(cost)
            return
        self._values(cost)
        self._operands(cost)

    def iterate(self) -> None:
        """The REP instruction has done one iteration; perhaps another begins.

        Nothing when ECX has not moved: the engine begins an iteration twice that stores into code.
        """
        if self._insn is None or self._insn.cost.kind != Kind.REP:
            return
        left = self._count(self._insn.cost)
        if left == self._rep_left:
            return
        self._rep_left = left
        self._iterations += 1
        self._rep_pending = list(self._pending)
        if left:
            self._operands(self._insn.cost)

    def finish(self, next_address: int, next_components: int) -> None:
        """The instruction begun last has completed."""
        insn = self._insn
        assert insn is not None
        cost, d = insn.cost, insn.cost.decoded
        if cost.kind == Kind.BRANCH:
            self._taken = next_address != insn.address + d.length & _WORD
        elif cost.kind == Kind.REP:
            self._charge_rep(insn)
        elif cost.kind == Kind.FLUSH:
            self.flush_tlb()
        insn.count += 1
        self.cycles += cost.fixed
        if self._taken:
            insn.taken += 1
            self.cycles += cost.taken - cost.base
        if cost.flags & PLUS_M and (self._taken or cost.kind != Kind.BRANCH):
            self._add("base", next_components)
        self._commit(insn, self._pending)
        if self._user:
            self.user_cycles += self.cycles - self._before
        self.previous_writes, self.previous_bytes = d.writes, d.byte_writes
        self._insn = None

    def abandon(self) -> None:
        """The attempt faulted, or is to be made again."""
        insn, self._insn = self._insn, None
        if insn is None or insn.cost.kind != Kind.REP:
            return
        done = self._rep_start - self._count(insn.cost) & self._count_mask(insn.cost)
        if done:
            self._charge_rep(insn)
            whole = done > self._iterations  # the last one ended in a single-step trap, not a fault
            self._commit(insn, self._pending if whole else self._rep_pending)

    def trap_taken(self) -> None:
        """A gate was gone through: nothing carries over to the handler's first instruction."""
        self.previous_writes = self.previous_bytes = 0
        self.code_line = self.code_next = NOWHERE

    def flush_tlb(self) -> None:
        """CR3 was loaded; code is fetched anew."""
        self.tlb.flush()
        self.code_line = NOWHERE

    def gate(self, accesses: list[tuple[int, int]], pushed: tuple[int, int], inward: bool) -> int:
        """Clocks that the memory behind a trap's delivery costs: table reads, then the frame pushed."""
        if not self.profile.memory:
            return 0
        self._pending = [0] * len(INSTRUCTION_RULES)
        self._stores = 0
        clocks = self._share(rules.GATE_MISS[inward], accesses)
        self._access(*pushed, WRITE, 0)
        return clocks + sum(self._pending)

    def copy_lines(self, destination: int, source: int, length: int) -> int:
        """Rule 11 for a copy that the host makes between physical addresses, as REP MOVS would."""
        if not self.profile.memory:
            return 0
        missed = 0
        for at in range(0, length, 1 << LINE_SHIFT):
            missed += self.l1.read(source + at >> LINE_SHIFT)
            self.l1.write(destination + at >> LINE_SHIFT)
        return missed * rules.STRING_MISS["movs"][1]

    # -- charging ----------------------------------------------------------------------------------

    def _add(self, rule: str, clocks: int) -> None:
        self._pending[rules.RULE[rule]] += clocks

    def _commit(self, insn: Insn, pending: list[int]) -> None:
        for number, clocks in enumerate(pending):
            insn.spent[number] += clocks
            self.cycles += clocks

    def _charge_rep(self, insn: Insn) -> None:
        """Rule 9, by the iterations that ECX says were done."""
        mask = self._count_mask(insn.cost)
        done = self._rep_start - self._count(insn.cost) & mask
        clocks = insn.cost.rep.clocks(done)
        insn.spent[rules.RULE["rep"]] += clocks
        self.cycles += clocks

    def _count_mask(self, cost: Cost) -> int:
        return 0xFFFF if cost.flags & ADDRESS16 else _WORD

    def _count(self, cost: Cost) -> int:
        return self._cpu.register(_ECX) & self._count_mask(cost)

    # -- values ------------------------------------------------------------------------------------

    def _values(self, cost: Cost) -> None:
        """What depends on operands: rules 8 and 10, and the conditions of the table."""
        d, p, cpu = cost.decoded, self.profile, self._cpu
        match cost.kind:
            case Kind.MULTIPLY:
                self._add("multiply", rules.multiply(self._multiplier(cost), i386=p.i386))
            case Kind.BSF:
                self._add("base", rules.bsf(self._source(cost), i386=p.i386))
            case Kind.BSR:
                self._add("base", rules.bsr(self._source(cost), i386=p.i386, bits=8 * d.size))
            case Kind.ROTATE:
                self._add("base", rules.rotate_carry(cpu.register(_ECX)))
            case Kind.SETCC:
                self._taken = condition(cpu.flags(), d.condition)
            case Kind.CMPXCHG:
                accumulator = cpu.register(_EAX) & (1 << 8 * d.size) - 1
                self._taken = accumulator == self._source(cost)
            case Kind.IO:
                flags = cpu.flags()
                self._taken = bool(flags & _FLAG_VM) or cpu.cpl() > flags >> 12 & 3
            case Kind.INTO:
                self._taken = bool(cpu.flags() & _FLAG_OF)
            case Kind.CPUID:
                self._taken = cpu.register(_EAX) == 1
            case Kind.INVLPG:
                page = self._effective_address(cost) >> 12
                self._taken = not p.memory or self.tlb.drop(page)
            case Kind.SEGMENT:
                self._segment_load(cost)
            case Kind.RETF:
                popped = cpu.read_linear(self._stack(d.size), 2)
                self._taken = popped is not None and popped & 3 > cpu.cpl()
            case Kind.IRET:
                self._return_from_trap(d.size)
            case _:
                pass

    def _source(self, cost: Cost) -> int:
        """The r/m operand, unsigned."""
        d = cost.decoded
        if cost.flags & MEMORY_SOURCE:
            found = self._cpu.read_linear(self._effective_address(cost), d.size)
            return found or 0
        if d.size == 1:
            value = self._cpu.register(d.source & 3)
            return (value >> 8 if d.source & 4 else value) & 0xFF
        return self._cpu.register(d.source) & (1 << 8 * d.size) - 1

    def _multiplier(self, cost: Cost) -> int:
        d = cost.decoded
        if cost.flags & IMMEDIATE_MULTIPLIER:
            return d.immediate
        value = self._source(cost)
        if cost.flags & SIGNED and value >> 8 * d.size - 1:
            value -= 1 << 8 * d.size
        return value

    def _stack(self, offset: int) -> int:
        return self._cpu.segment_base(_SS) + self._cpu.register(_ESP) + offset & _WORD

    def _descriptor(self, selector: int) -> int:
        tables = self._cpu.tables()
        return tables[selector >> 2 & 1] + (selector & 0xFFF8) & _WORD

    def _segment_load(self, cost: Cost) -> None:
        d = cost.decoded
        if cost.flags & POPS_SEGMENT:
            selector = self._cpu.read_linear(self._stack(0), 2)
        elif cost.flags & MEMORY_SOURCE:
            selector = self._cpu.read_linear(self._effective_address(cost), 2)
        else:
            selector = self._cpu.register(d.source) & 0xFFFF
        if not (selector or 0) & 0xFFFC:
            return
        assert selector is not None
        at = self._descriptor(selector)
        rights = self._cpu.read_linear(at + 5 & _WORD, 1)
        if rights is not None and not rights & 1:
            self._add("descriptor", self.profile.accessed)
        if self.profile.memory:
            self._access(at, 8, READ, rules.SEGMENT_MISS)

    def _return_from_trap(self, width: int) -> None:
        """IRET: outward when CS on the stack is of a lesser privilege."""
        cpu = self._cpu
        selector = cpu.read_linear(self._stack(width), 2) or 0
        self._taken = selector & 3 > cpu.cpl()
        touched = [
            (self._stack(0), (5 if self._taken else 3) * width),
            (self._descriptor(selector), 8),
        ]
        if self._taken:
            inner = cpu.read_linear(self._stack(4 * width), 2) or 0
            touched.append((self._descriptor(inner), 8))
        if self.profile.memory:
            self._add("l1 data", self._share(rules.IRET_MISS[self._taken], touched))

    def _share(self, full: int, accesses: list[tuple[int, int]]) -> int:
        """Rule 11 for gates and IRET: the documented all-miss penalty, by the lines that did miss."""
        missed = touched = 0
        for address, size in accesses:
            for line in self._lines(address, size, write=False):
                touched += 1
                missed += self.l1.read(line)
        return rules.share(full, missed, touched)

    # -- memory ------------------------------------------------------------------------------------

    def _effective_address(self, cost: Cost) -> int:
        d, cpu = cost.decoded, self._cpu
        offset = d.displacement
        if d.base != NO_REGISTER:
            offset += cpu.register(d.base)
        if d.index != NO_REGISTER:
            offset += cpu.register(d.index) * d.scale
        offset &= 0xFFFF if cost.flags & ADDRESS16 else _WORD
        return cpu.segment_base(d.segment) + offset & _WORD

    def _address(self, cost: Cost, access: Access) -> int:
        cpu, d = self._cpu, cost.decoded
        mask = 0xFFFF if cost.flags & ADDRESS16 else _WORD
        match access.where:
            case _ if access.where == AT_PUSH:
                return self._stack(-access.size)
            case _ if access.where == AT_POP:
                return self._stack(0)
            case _ if access.where == AT_ESI:
                return cpu.segment_base(d.segment) + (cpu.register(_ESI) & mask) & _WORD
            case _ if access.where == AT_EDI:
                return cpu.segment_base(_ES) + (cpu.register(_EDI) & mask) & _WORD
            case _ if access.where == AT_EBP:
                return cpu.segment_base(_SS) + cpu.register(_EBP) & _WORD
            case _ if access.where == AT_XLAT:
                offset = cpu.register(_EBX) + (cpu.register(_EAX) & 0xFF) & mask
                return cpu.segment_base(d.segment) + offset & _WORD
            case _ if access.where == AT_BIT:
                bits = 8 * access.size
                index = cpu.register(d.control) & (1 << bits) - 1
                index -= (index >> bits - 1) << bits
                return self._effective_address(cost) + (index // bits) * access.size & _WORD
            case _:
                return self._effective_address(cost)

    def _operands(self, cost: Cost) -> None:
        """Rules 7, 11, 12 and 13 for the memory operands, in order."""
        for access in cost.accesses:
            address = self._address(cost, access)
            split = rules.crossings(address, access.size)
            if split:
                twice = 2 if access.use == RMW else 1
                self._add("misaligned", self.profile.misaligned * split * twice)
            if self.profile.memory:
                miss = rules.RMW_MISS if access.use == RMW else cost.read_miss
                self._access(address, access.size, access.use, miss)

    def _access(self, address: int, size: int, use: int, miss: int) -> None:
        lines = self._lines(address, size, write=bool(use & WRITE))
        for line in lines:
            if use & READ:
                if self.l1.read(line):
                    self._add("l1 data", miss)
            else:
                self.l1.write(line)
        if use & WRITE and lines:
            for _ in range((size + 3) // 4 + rules.crossings(address, size)):
                self._store()

    def _store(self) -> None:
        """Rule 12. Stores of one instruction follow each other by a clock at least."""
        now = self.cycles + self.offset + self._stores
        if self._insn is not None and self._insn.cost.kind == Kind.REP and self._iterations:
            rep = self._insn.cost.rep
            now += rep.start + rep.each * self._iterations
        self._stores += 1
        self._add("write buffer", self.buffers.store(now))

    def _lines(self, address: int, size: int, *, write: bool) -> list[int]:
        """The physical lines of an access; those on a page that is not mapped are left out."""
        found: list[int] = []
        end = address + size
        line = address >> LINE_SHIFT
        while line << LINE_SHIFT < end:
            linear = line << LINE_SHIFT & _WORD
            if line == address >> LINE_SHIFT or not linear & 0xFFF:
                frame = self._translate(linear >> 12, write=write)
            if frame is not None:
                found.append((frame | linear & 0xFFF) >> LINE_SHIFT)
            line += 1
        return found

    def _translate(self, page: int, *, write: bool) -> int | None:
        """Rule 13: the frame of a linear page, through the TLB; None when it is not mapped."""
        paging, directory, pse = self._cpu.paging()
        if not paging:
            return page << 12
        frame = self.tlb.lookup(page, write=write)
        if frame is not None:
            return frame
        at = (directory & ~0xFFF) + (page >> 10) * 4
        entry = self._cpu.read_physical(at)
        if entry is None or not entry & _PRESENT:
            return None
        missed = int(self.l1.read(at >> LINE_SHIFT))
        updates = 0
        if entry & _LARGE and pse:
            frame = entry & 0xFFC00000 | (page & 0x3FF) << 12
        else:
            updates = int(not entry & _ACCESSED)
            at = (entry & ~0xFFF) + (page & 0x3FF) * 4
            leaf = self._cpu.read_physical(at)
            if leaf is None or not leaf & _PRESENT:
                return None
            entry = leaf
            missed += self.l1.read(at >> LINE_SHIFT)
            frame = entry & ~0xFFF
        updates += int(not entry & _ACCESSED or (write and not entry & _DIRTY))
        self._add("tlb", rules.walk(missed, updates))
        self.tlb.load(page, frame, dirty=write or bool(entry & _DIRTY))
        return frame

    def _fetch(self, address: int, length: int) -> None:
        """Rule 11 for code: lines that the prefetcher has not brought yet."""
        jumped = address != self.code_next
        first, last = address >> LINE_SHIFT, (address + length - 1 & _WORD) >> LINE_SHIFT
        if jumped or first != self.code_line:
            end = min(address + length - 1, address | 15)
            self._fetch_line(first, (end >> 2) - (address >> 2) + 1, sequential=not jumped)
        if last != first:
            self._fetch_line(last, 0, sequential=True)
        self.code_line, self.code_next = last, address + length & _WORD

    def _fetch_line(self, line: int, dwords: int, *, sequential: bool) -> None:
        linear = line << LINE_SHIFT & _WORD
        frame = self._translate(linear >> 12, write=False)
        if frame is not None and self.l1.read((frame | linear & 0xFFF) >> LINE_SHIFT):
            self._add("l1 code", rules.code_miss(dwords, sequential=sequential))

    # -- state -------------------------------------------------------------------------------------

    def save(self) -> dict[str, list[int]]:
        """All that time depends on, as plain numbers; the same as the native twin's."""
        return {
            "carry": [self.previous_writes, self.previous_bytes, self.code_line, self.code_next],
            "l1_tags": list(self.l1.tags),
            "l1_bits": list(self.l1.bits),
            "tlb_tags": list(self.tlb.tags),
            "tlb_bits": list(self.tlb.bits),
            "tlb_frames": list(self.tlb.frames),
            "tlb_dirty": list(self.tlb.dirty),
            "store_done": list(self.buffers.done),
        }

    def load(self, state: dict[str, list[int]]) -> None:
        """Become what `save` saw."""
        carry = state["carry"]
        self.previous_writes, self.previous_bytes, self.code_line, self.code_next = carry
        self.l1.tags, self.l1.bits = list(state["l1_tags"]), list(state["l1_bits"])
        self.tlb.tags, self.tlb.bits = list(state["tlb_tags"]), list(state["tlb_bits"])
        self.tlb.frames, self.tlb.dirty = list(state["tlb_frames"]), list(state["tlb_dirty"])
        self.buffers.done = list(state["store_done"])
