"""The cycle model in Python: the specification that emu/_timing.h is the fast twin of.

    begin(insn)   before an instruction: what depends on registers and memory as they are now
    iterate()     before each further iteration of a REP instruction
    finish(next)  it has completed and the next is at `next`: everything is charged
    abandon()     it faulted: nothing is charged, except what a REP has done

Lookups in L1 and TLB are made when an attempt begins, as hardware makes them; an attempt that faults
leaves them changed, but costs no clocks.
"""

from __future__ import annotations

from emu.timing import rules
from emu.timing.cost import (
    MEMORY_SOURCE,
    PLUS_M,
    POPS_SEGMENT,
    Cost,
    Kind,
)
from emu.timing.insn import Insn
from emu.timing.memory import L1, LINE_SHIFT, Tlb, WriteBuffers
from emu.timing.operands import (
    Processor,
    address_of,
    condition,
    count_mask,
    descriptor,
    effective_address,
    multiplier,
    rep_count,
    source,
    stack,
)
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
            self._rep_start = self._rep_left = rep_count(self._cpu, cost)
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
        left = rep_count(self._cpu, self._insn.cost)
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
        done = self._rep_start - rep_count(self._cpu, insn.cost) & count_mask(insn.cost)
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
        mask = count_mask(insn.cost)
        done = self._rep_start - rep_count(self._cpu, insn.cost) & mask
        clocks = insn.cost.rep.clocks(done)
        insn.spent[rules.RULE["rep"]] += clocks
        self.cycles += clocks

    # -- values ------------------------------------------------------------------------------------

    def _values(self, cost: Cost) -> None:
        """What depends on operands: rules 8 and 10, and the conditions of the table."""
        d, p, cpu = cost.decoded, self.profile, self._cpu
        match cost.kind:
            case Kind.MULTIPLY:
                self._add("multiply", rules.multiply(multiplier(self._cpu, cost), i386=p.i386))
            case Kind.BSF:
                self._add("base", rules.bsf(source(self._cpu, cost), i386=p.i386))
            case Kind.BSR:
                self._add("base", rules.bsr(source(self._cpu, cost), i386=p.i386, bits=8 * d.size))
            case Kind.ROTATE:
                self._add("base", rules.rotate_carry(cpu.register(_ECX)))
            case Kind.SETCC:
                self._taken = condition(cpu.flags(), d.condition)
            case Kind.CMPXCHG:
                accumulator = cpu.register(_EAX) & (1 << 8 * d.size) - 1
                self._taken = accumulator == source(self._cpu, cost)
            case Kind.IO:
                flags = cpu.flags()
                self._taken = bool(flags & _FLAG_VM) or cpu.cpl() > flags >> 12 & 3
            case Kind.INTO:
                self._taken = bool(cpu.flags() & _FLAG_OF)
            case Kind.CPUID:
                self._taken = cpu.register(_EAX) == 1
            case Kind.INVLPG:
                page = effective_address(self._cpu, cost) >> 12
                self._taken = not p.memory or self.tlb.drop(page)
            case Kind.SEGMENT:
                self._segment_load(cost)
            case Kind.RETF:
                popped = cpu.read_linear(stack(self._cpu, d.size), 2)
                self._taken = popped is not None and popped & 3 > cpu.cpl()
            case Kind.IRET:
                self._return_from_trap(d.size)
            case _:
                pass

    def _segment_load(self, cost: Cost) -> None:
        d = cost.decoded
        if cost.flags & POPS_SEGMENT:
            selector = self._cpu.read_linear(stack(self._cpu, 0), 2)
        elif cost.flags & MEMORY_SOURCE:
            selector = self._cpu.read_linear(effective_address(self._cpu, cost), 2)
        else:
            selector = self._cpu.register(d.source) & 0xFFFF
        if not (selector or 0) & 0xFFFC:
            return
        assert selector is not None
        at = descriptor(self._cpu, selector)
        rights = self._cpu.read_linear(at + 5 & _WORD, 1)
        if rights is not None and not rights & 1:
            self._add("descriptor", self.profile.accessed)
        if self.profile.memory:
            self._access(at, 8, READ, rules.SEGMENT_MISS)

    def _return_from_trap(self, width: int) -> None:
        """IRET: outward when CS on the stack is of a lesser privilege."""
        cpu = self._cpu
        selector = cpu.read_linear(stack(self._cpu, width), 2) or 0
        self._taken = selector & 3 > cpu.cpl()
        touched = [
            (stack(self._cpu, 0), (5 if self._taken else 3) * width),
            (descriptor(self._cpu, selector), 8),
        ]
        if self._taken:
            inner = cpu.read_linear(stack(self._cpu, 4 * width), 2) or 0
            touched.append((descriptor(self._cpu, inner), 8))
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

    def _operands(self, cost: Cost) -> None:
        """Rules 7, 11, 12 and 13 for the memory operands, in order."""
        for access in cost.accesses:
            address = address_of(self._cpu, cost, access)
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
        now = self.cycles + self._cpu.extra() + self._stores
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
