"""Operands and clocks that come from values made in the middle of a block (emu/_block_values.h) are what they
are when every instruction is looked at for itself."""

from __future__ import annotations

import random
from typing import Any

import pytest
from bare import DATA, USTACK, Bare, asm

from emu.machine import Stop

PROFILES = ["i486-ideal", "i486"]
#: What compilers write. EBX and EBP point to pointers, ECX is small, the stack is in use.
PHRASES = """
movl (%ebx), %eax | movl 4(%ebx), %edx | movl (%eax), %edx | movl 2(%eax), %ecx | movl (%eax,%ecx,4), %edx
movl %edx, (%eax) | movl %eax, 8(%ebx) | movl %ecx, 1(%eax) | movb %cl, (%eax) | movb %dl, 0x9(%ebx)
movl 8(%ebx), %esi | movl (%esi), %edi | addl $1, (%esi) | movzbl (%ebx), %edi | movsbl 1(%ebx), %edi
movzwl 2(%ebx), %edi | movswl 2(%ebx), %edi | movl 0x30100(%edi), %edx | andl $0x3c, %edi | andl $0xff, %ecx
addl %ecx, %eax | addl $3, %eax | subl %ecx, %eax | subl %edi, %edi | xorl %edi, %edi | xorl %ecx, %edi
orl $1, %eax | shll $2, %ecx | shrl $1, %ecx | sarl $1, %edi | sarl $0x3, %ecx | negl %ecx | notl %ecx
leal 5(%ebx,%ecx,2), %eax | leal (%eax,%edi), %eax | leal 0x30040(,%ecx,4), %eax | andl $0x3f, %ecx
leal 2(%ebx), %eax | movl %eax, %esi | movl %ebx, %eax | movzbl %ch, %edi | movzwl %cx, %edi
movsbl %cl, %edi | nop
pushl %eax | pushl %ecx | pushl $0x30021 | popl %eax | popl %esi | movl (%esp), %esi | movl %eax, 4(%esp)
addl $4, (%ebx) | incl 4(%ebx) | addl %ecx, (%esp) | subl $3, 4(%esp) | andl $-4, 8(%ebx) | decl 8(%esp)
movl 4(%esp), %eax | movl $0x30044, 8(%esp) | movl 8(%esp), %esi | xchgl %eax, %esi | cltd | bswap %edi
imull %ecx, %edi | imull (%ebx), %ecx | imull $0x1d, %ecx, %edi | imull $-0x12345, (%ebx), %edi | mull %ecx
mull 4(%ebx) | imull %edi | mulb %cl | mulb %ch | imulw %cx, %di | mulw 2(%ebx) | movl $0x51eb851f, %edx
cmpl %ecx, %edi | cmpl $5, %ecx | cmpb %cl, %dl | cmpb %ch, 1(%ebx) | cmpl %ecx, 4(%ebx) | testl %ecx, %ecx
testb $0x4, %cl | cmpl $-1, %edi | testl $0x30000, %eax | cmpb $0x3, %ch | cmpl (%ebx), %ecx | addb %cl, %dl
sete %dl | setne %cl | setl %dl | setae %cl | sets %dl | setg %cl | setp %dl | seto %cl | setbe %dl
movzbl %dl, %edx | movzbl %cl, %ecx | cmovnel %ecx, %edi | btl $0x3, %ecx | shldl $0x4, %ecx, %edi | nop
"""
CODES = [
    asm(text.strip()) for line in PHRASES.split("\n") for text in line.split("|") if text.strip()
]
RESET = asm("movl $0x30000, %ebx; movl $0x30200, %ebp; movl $0x9f000, %esp; movl $0x30010, %eax")


def program(rng: random.Random) -> bytes:
    """A loop of blocks; each begins with pointers that point somewhere."""
    code = b""
    for _ in range(rng.randrange(1, 4)):
        code += RESET if rng.random() < 0.7 else b"\x40"
        code += b"".join(rng.choices(CODES, k=rng.randrange(2, 14)))
        code += b"\x74\x00"  # jz to the next
    return code + b"\x42\xe9" + (-len(code) - 6 & 0xFFFFFFFF).to_bytes(4, "little")


def build(code: bytes, seed: int, profile: str, *, native: bool = True) -> Bare:
    rng = random.Random(seed)
    b = Bare(native=native, timing=profile)
    b.code(code)
    for at in range(DATA, DATA + 0x400, 4):
        aligned = rng.random() < 0.7
        b.ram.write32(at, DATA + rng.randrange(0, 0x300, 4) + (0 if aligned else rng.randrange(4)))
    b.ram.write(USTACK - 0x1100, b.ram.read(DATA, 0x200))
    registers = {
        "ebx": DATA,
        "ebp": DATA + 0x200,
        "ecx": rng.randrange(40),
        "edx": rng.randrange(9),
    }
    registers |= {"eax": DATA + 0x10, "esi": DATA + 0x22, "edi": rng.randrange(1 << 32)}
    for name, value in {**registers, "esp": USTACK - 0x1000}.items():
        setattr(b.cpu, name, value)
    return b


def seen(b: Bare) -> dict[str, Any]:
    m = b.machine
    timing = m.cpu.timing
    assert timing is not None
    return {
        "retired": m.cpu.retired,
        "cycles": m.clock.cycles,
        "registers": m.cpu.general_registers(),
        "rules": m.clock.by_rule(),
        "data": b.ram.read(DATA, 0x400),
        "model": timing.save(),
        "insns": [
            (i.address, i.code, i.count, i.taken, i.by_rule())
            for i in timing.insns()
            if i.count or any(i.by_rule())
        ],
    }


def outcome(b: Bare, *, step: bool, until: int = 1500) -> dict[str, Any]:
    """To the first trap, or for so many cycles."""
    m = b.machine
    while m.clock.cycles < until:
        event = m.step() if step else m.run(until)
        if event.stop not in (Stop.STEP, Stop.LIMIT):
            break
    return seen(b)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(30))
def test_the_same_as_single_instructions(seed: int, profile: str) -> None:
    for part in range(4):
        code = program(random.Random(4 * seed + part))
        whole = outcome(build(code, seed, profile), step=False)
        assert whole == outcome(build(code, seed, profile), step=True), code.hex()
        if part == 0:
            assert whole == outcome(build(code, seed, profile, native=False), step=False), (
                code.hex()
            )


#: Blocks that must be foreseen, and not looked at instruction by instruction.
WHOLE = {
    "through a pointer that was loaded": "movl (%ebx), %eax; movl (%eax), %edx; incl %edi",
    "shifted and scaled": "movl %edi, %eax; sarl $3, %eax; andl $7, %eax; movl (%ebx,%eax,4), %edx",
    "stored and loaded": "pushl %ebx; movl (%esp), %eax; movl (%eax), %edx; popl %eax",
    "changed in memory": "movl %ebx, 4(%esp); addl $4, 4(%esp); movl 4(%esp), %eax; movl (%eax), %edx",
    "multiplied": "imull (%ebx), %edi; mull %ecx; imull $0x12345, %edi, %edi",
    "multiplied by a constant": "movl $-0x51eb851f, %edx; imull %edx, %edi; movl $0x7f, %ecx; mull %ecx",
    "by a word in memory": "imulw (%ebx), %di; imulw 4(%ebx), %di; imulw 8(%ebx), %si; mulw 0xc(%ebx)",
    "multiplied by a word": "movl (%ebx), %edx; negl %edx; imulw %dx, %di",
    "subtracted from": "movl %ebx, 4(%esp); subl $0x10, 4(%esp); movl 4(%esp), %eax; imull 4(%eax), %edi",
    "a condition": "cmpl %ecx, (%ebx); sete %dl; movzbl %dl, %edx; addl %edx, %edi",
    "a condition of unknown flags": "addl %ecx, %edi; seto %dl; incl %edi",
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("source", WHOLE.values(), ids=WHOLE)
def test_blocks_that_are_foreseen(source: str, profile: str) -> None:
    code = asm(f"again: {source}; decl %ebp; jnz again; int $0x80")
    b, twin = (build(code, 1, profile) for _ in range(2))
    b.cpu.ebp = twin.cpu.ebp = 300
    assert b.machine.run(1_000_000).stop is Stop.TRAP
    assert b.cpu.instructions is not None
    assert b.cpu.instructions.blocks.whole
    while twin.machine.step().stop is not Stop.TRAP:
        pass
    assert seen(b) == seen(twin)


#: Each faults in the third pass: EDI is the address of a page that is not there then, or ECX is 0.
FAULTS = (
    "mull (%edi)",
    "imull (%edi)",
    "imull (%edi), %ecx",
    "imull $0x77, (%edi), %ecx",
    "idivl (%edi)",
)
FAULTS = (
    *FAULTS,
    "divl %ecx",
    "idivl %ecx",
    "divw %cx",
    "idivb %cl",
    "cmpl (%edi), %eax; sete %al",
)


@pytest.mark.parametrize("profile", ["off", *PROFILES])
@pytest.mark.parametrize("source", FAULTS)
def test_a_fault_leaves_what_single_instructions_leave(source: str, profile: str) -> None:
    code = asm(
        "again: cmpl $3, %ebx; setb %cl; movzbl %cl, %ecx; addl $0xffe, %edi; incl %ebx; xorl %edx, %edx; "
        f"movl $5, %eax; cmpl $6, %eax; {source}; jmp again"
    )
    ends = []
    for step in (False, True):
        b = build(code, 1, profile)
        b.page(DATA + 0x2000, 0)
        b.cpu.ebx, b.cpu.edi = 1, DATA
        event = b.machine.run(100_000) if not step else b.machine.step()
        while event.stop is Stop.STEP:
            event = b.machine.step()
        timing = b.machine.cpu.timing
        assert event.stop is Stop.TRAP
        ends.append(
            (event, b.cpu.retired, b.cpu.general_registers(), b.machine.clock.by_rule())
            + ((timing.save(),) if timing is not None else ())
        )
    assert ends[0] == ends[1]


#: EBP points to where EBX does, or below the stack's top: loads of what another register has stored.
CLASHES = {
    "stored by another register": "xorl $1, %edi; movl %edi, (%ebp); movl (%ebx), %eax; movl (%eax), %edx",
    "pushed, and overwritten": "leal -4(%esp), %ebp; cmpl %eax, %eax; jnz again; xorl $1, %edi; pushl %ebx; "
    "movl %edi, (%ebp); movl (%esp), %eax; movl (%eax), %edx; popl %eax; movl %ebx, %ebp",
    "the highest bits": "addl $0x40000001, %edi; movl %edi, %eax; shrl $0x1e, %eax; movl (%ebx,%eax), %edx",
    "a byte, nobody knows where": "movl $0x300, %edi; bswap %edi; movb %cl, (%edi); movl (%ebx), %eax; "
    "movl (%eax), %edx",
    "overflow": "addl $0x30000001, %edi; cmpl $-0x60000000, %edi; setl %dl; movzbl %dl, %edx",
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("source", CLASHES.values(), ids=CLASHES)
def test_values_that_change_on_the_way(source: str, profile: str) -> None:
    code = asm(f"again: {source}; incl %ecx; cmpl $0x20, %ecx; jb again; int $0x80")
    ends = []
    for step in (False, True):
        b = build(code, 1, profile)
        b.cpu.ebp, b.cpu.edi, b.cpu.ecx = DATA, DATA + 0x40, 0
        ends.append(outcome(b, step=step, until=100_000))
    assert ends[0] == ends[1]
