"""Calls through the gate that are made while the engine runs (emu/_engine_inside.h), against the same calls
made when it has stopped there: whatever the function behind the gate does, everything is the same after."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bare import DATA, DIRECTORY, KCODE_AT, KSTACK, TABLE, Bare
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.errors import BusError
from emu.events import Stop

GATE = 0x99
OTHER_DIRECTORY = 0x12000


def another_stack(bare: Bare) -> None:
    """With the same return address on it."""
    bare.ram.write(KSTACK - 0x200, bare.ram.read(bare.cpu.esp, 0x20))
    bare.cpu.esp = KSTACK - 0x200


#: What a function does, on which call it is. It may change any register, as one does that switches tasks.
FUNCTIONS: dict[str, Callable[[Bare, int], None]] = {
    "nothing": lambda bare, n: None,
    "answers": lambda bare, n: setattr(bare.cpu, "eax", 0xFFFFFFFF - n),
    "other register": lambda bare, n: setattr(bare.cpu, "esi", n),
    "flags": lambda bare, n: setattr(bare.cpu, "eflags", bare.cpu.eflags ^ 0x41),
    "stack": lambda bare, n: another_stack(bare),
    "goes elsewhere": lambda bare, n: setattr(bare.cpu, "eip", KCODE_AT),
    "flushes": lambda bare, n: bare.machine.flush_tlb(),
    "remaps": lambda bare, n: bare.page(DATA, (DATA + 0x1000 * (n & 1)) | 7),
    "other tables": lambda bare, n: bare.machine.load_cr3(
        OTHER_DIRECTORY if bare.cpu.cr3 == DIRECTORY else DIRECTORY
    ),
    "charges": lambda bare, n: bare.machine.clock.charge("work", 70 + n),
    "sets a timer": lambda bare, n: bare.machine.timer.write(0x44, 4, 300 + n),
    "asks the FPU": lambda bare, n: bare.cpu.set_cr(0, bare.cpu.cr0 ^ 8),
    "changes code": lambda bare, n: bare.ram.write(HOLE, bytes([0x40 + n % 4])),
    "wants fewer deliveries": lambda bare, n: bare.machine.end_sooner(0),
}
HOLE, THUNKS = KCODE_AT + 0x800, KCODE_AT + 0x900
#: Where the OUT is the first instruction of its translation, as the kernel's are, and can be done inside.
OUTS = ("outl %eax, $0x99", "outb %al, $0x99", "outb %al, %dx", "outw %ax, $0x99", "outw %ax, %dx")
#: What stands between the calls.
PARTS = {
    **{
        f"call {out}": f"movl $0x99, %edx; movl ${THUNKS + 16 * n:#x}, %ebp; call *%ebp"
        for n, out in enumerate(OUTS)
    },
    "flags before call": f"addl $0x7fffffff, %eax; movl ${THUNKS:#x}, %ebp; call *%ebp; pushfl; popl %ecx",
    "in the middle": f"outb %al, ${GATE:#x}",
    "another port": "outb %al, $0x9a",
    "in the shadow of STI": f"sti; outb %al, ${GATE:#x}; cli",
    "flags before": f"addl $0x7fffffff, %eax; outb %al, ${GATE:#x}; pushfl; popl %ecx",
    "a trap of its own": "int $0x80",
    "data": f"incl {DATA:#x}; movl {DATA:#x}, %ebx",
    "work": "imull %ecx, %eax; addl %ebx, %eax; xorl %eax, %edi",
    "code that changes": f"movl ${HOLE:#x}, %ebp; call *%ebp",
    "single step": "pushfl; orl $0x100, (%esp); popfl; outb %al, $0x99; nop",
    "steps in a call": f"movl ${THUNKS:#x}, %ebp; pushfl; orl $0x100, (%esp); popfl; call *%ebp; nop",
    "shadow in a call": f"sti; jmp near; near: outb %al, ${GATE:#x}; cli",
}
CALL = f"call {OUTS[0]}"
CLOCKS = {"off": 1, "i386": 12, "i486-ideal": 8, "i486": 8}


class Guest:
    """A ring-0 program that goes round for ever, and the functions that its calls come to, in turn."""

    def __init__(self, body: str, functions: list[str], timing: str, *, inside: bool) -> None:
        self.bare = Bare(stop_on_traps=False, timing=timing)
        self.machine, self.functions, self.inside = self.bare.machine, functions, inside
        self.calls = self.entries = 0
        self.machine.trap_listeners.clear()
        self.machine.add_gate(GATE)
        self.bare.handler(1, "andl $0xfffffeff, 8(%esp); iret")
        self.bare.handler(0x20, "pushl %eax; movb $0x20, %al; outb %al, $0x20; popl %eax; iret")
        self.machine.pic.base, self.machine.pic.mask = 0x20, 0
        self.bare.ram.write(HOLE, b"\x40\xc3")
        for n, out in enumerate(OUTS):
            self.bare.code(f"{out}; ret", THUNKS + 16 * n)
        self.bare.ram.write32(OTHER_DIRECTORY, TABLE | 7)
        self.bare.ring0()
        self.bare.code(f"again: {body}; incl %ecx; movl ${KSTACK:#x}, %esp; jmp again")

    def call(self) -> bool:
        function = FUNCTIONS[self.functions[self.calls % len(self.functions)]]
        function(self.bare, self.calls)
        self.calls += 1
        return self.machine.unchanged

    def run(self, until: int) -> None:
        while self.machine.clock.cycles < until:
            self.entries += 1
            event = self.machine.run(until, at_gate=self.call if self.inside else None)
            if event.stop is Stop.GATE:
                self.call()
            else:
                assert event.stop in (Stop.LIMIT, Stop.STEP), event

    def state(self) -> tuple[object, ...]:
        machine, timing = self.machine, self.machine.cpu.timing
        insns = [(i.address, i.count, i.spent) for i in timing.insns() if i.count] if timing else []
        return (
            self.calls,
            self.bare.state(),
            machine.position,
            machine.clock.save_state(),
            machine.cpu.fpu_state(),
            insns,
        )


def agree(body: str, functions: list[str], timing: str, untils: list[int]) -> tuple[Guest, Guest]:
    inside, outside = (Guest(body, functions, timing, inside=i) for i in (True, False))
    until = 0
    for further in untils:
        until += further * CLOCKS[timing]
        for guest in (inside, outside):
            guest.run(until)
        assert inside.state() == outside.state()
    return inside, outside


@pytest.mark.parametrize("timing", CLOCKS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function(function: str, timing: str) -> None:
    body = "; ".join(PARTS[part] for part in ("work", CALL, "data", "flags before call", CALL))
    inside, _ = agree(body, ["nothing", function], timing, [200, 33, 300])
    assert inside.calls > 9


@pytest.mark.parametrize("timing", CLOCKS)
@pytest.mark.parametrize("part", PARTS)
def test_each_part(part: str, timing: str) -> None:
    body = f"{PARTS['work']}; {PARTS[part]}; {PARTS[CALL]}; {PARTS['data']}"
    agree(body, ["answers", "nothing", "charges"], timing, [200, 33, 300])


@pytest.mark.parametrize("timing", CLOCKS)
@settings(max_examples=15, deadline=None)
@given(
    parts=st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=9),
    functions=st.lists(st.sampled_from(sorted(FUNCTIONS)), min_size=1, max_size=9),
    untils=st.lists(st.integers(1, 300), min_size=1, max_size=5),
)
def test_generated(timing: str, parts: list[str], functions: list[str], untils: list[int]) -> None:
    agree("; ".join(PARTS[part] for part in parts), functions, timing, untils)


def test_calls_that_only_answer_do_not_leave_the_engine() -> None:
    """What is compared is what it says: one run of the engine for all of these calls."""
    guest = Guest(PARTS[CALL], ["answers", "charges", "flushes"], "i486", inside=True)
    starts = 0
    run = guest.machine.cpu.run

    def counted(*limits: int) -> int:
        nonlocal starts
        starts += 1
        return run(*limits)

    guest.machine.cpu.run = counted  # type: ignore[method-assign]
    guest.run(60_000)
    assert guest.calls > 300
    assert starts <= 2


@pytest.mark.parametrize("error", [BusError(1, 4, 4), KeyboardInterrupt(), ValueError("x")])
def test_what_a_function_raises_ends_the_run(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the OUT, with all that came before it counted; and the run can go on."""
    guest = Guest(PARTS[CALL], ["nothing"], "i486", inside=True)

    def raises(bare: Bare, n: int) -> None:
        if n == 3:
            raise error

    monkeypatch.setitem(FUNCTIONS, "nothing", raises)
    with pytest.raises(type(error)):
        guest.run(100_000)
    assert guest.bare.cpu.eip == THUNKS + 2
    monkeypatch.undo()
    guest.calls += 1
    other = Guest(PARTS[CALL], ["nothing"], "i486", inside=False)
    for one in (guest, other):
        one.run(20_000)
    assert guest.state() == other.state()


def test_a_function_may_end_the_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """When as many traps as were asked for count as delivered, no instruction behind the OUT is run."""
    ends = []
    for inside in (True, False):
        guest = Guest(PARTS[CALL], ["nothing"], "off", inside=inside)
        guest.run(500)  # its blocks are known
        machine, calls = guest.machine, guest.calls
        monkeypatch.setitem(FUNCTIONS, "nothing", lambda bare, n: bare.machine.end_sooner(5))
        event = machine.run(
            machine.clock.cycles + 5_000,
            deliveries=machine.position.deliveries + 3,
            at_gate=guest.call if inside else None,
        )
        if event.stop is Stop.GATE:
            guest.call()
        monkeypatch.undo()
        assert guest.calls == calls + 1
        assert machine.cpu.eip == THUNKS + 2
        ends.append((guest.bare.registers(), machine.position))
    assert ends[0] == ends[1]
