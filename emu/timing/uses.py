"""What instructions read and write, by name: explicit operands, and registers that they never name.

Listed here, not taken from a disassembler, whose lists have gaps. Registers are bit masks (bit 0 = EAX ...
bit 7 = EDI).
"""

from __future__ import annotations

from typing import NamedTuple

from emu.timing.opcodes import ALU

EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = (1 << n for n in range(8))
_SHIFTS = ("rol", "ror", "rcl", "rcr", "shl", "shr", "sar")

#: How explicit operands are used, in order: r read, w write, m both, - neither (an address, a target).
USES: dict[str, str] = {
    **dict.fromkeys(ALU, "mr"),
    "cmp": "rr",
    "test": "rr",
    "mov": "wr",
    "movzx": "wr",
    "movsx": "wr",
    "lea": "w-",
    **dict.fromkeys(("inc", "dec", "neg", "not", "bswap"), "m"),
    **dict.fromkeys(_SHIFTS, "mr"),
    "xchg": "mm",
    "xadd": "mm",
    "cmpxchg": "mr",
    "cmpxchg8b": "m",
    "setcc": "w",
    "cmovcc": "mr",
    "push": "r",
    "pop": "w",
    "mul": "r",
    "imul": "r",
    "div": "r",
    "idiv": "r",
    "bt": "rr",
    "bts": "mr",
    "btr": "mr",
    "btc": "mr",
    "shld": "mrr",
    "shrd": "mrr",
    "bsf": "wr",
    "bsr": "wr",
    "call": "r",
    "jmp": "r",
    "callf": "r",
    "jmpf": "r",
    **dict.fromkeys(("lds", "les", "lfs", "lgs", "lss"), "wr"),
    "in": "wr",
    "out": "rr",
    "bound": "rr",
    "arpl": "mr",
    "lar": "wr",
    "lsl": "wr",
    "sldt": "w",
    "str": "w",
    "smsw": "w",
    "lldt": "r",
    "ltr": "r",
    "lmsw": "r",
    "verr": "r",
    "verw": "r",
    "sgdt": "w",
    "sidt": "w",
    "lgdt": "r",
    "lidt": "r",
    "invlpg": "-",
}


class Implicit(NamedTuple):
    """Registers an instruction uses without naming them: full ones read and written, bytes written."""

    reads: int = 0
    writes: int = 0
    bytes_written: int = 0


IMPLICIT: dict[str, Implicit] = {
    "cwde": Implicit(EAX, EAX),
    "cdq": Implicit(EAX, EAX | EDX),
    "lahf": Implicit(0, 0, EAX),
    "xlat": Implicit(EBX, 0, EAX),
    "pusha": Implicit(0xFF),
    "popa": Implicit(0, 0xFF & ~ESP),
    "enter": Implicit(EBP, EBP),
    "leave": Implicit(EBP, EBP),
    "movs": Implicit(ESI | EDI, ESI | EDI),
    "cmps": Implicit(ESI | EDI, ESI | EDI),
    "stos": Implicit(EDI, EDI),
    "scas": Implicit(EDI, EDI),
    "lods": Implicit(ESI, ESI),
    "loop": Implicit(ECX, ECX),
    "loope": Implicit(ECX, ECX),
    "loopne": Implicit(ECX, ECX),
    "jecxz": Implicit(ECX),
    "cpuid": Implicit(EAX, EAX | ECX | EDX | EBX),
    "rdtsc": Implicit(0, EAX | EDX),
    "cmpxchg": Implicit(EAX, EAX),
    "cmpxchg8b": Implicit(EAX | ECX | EDX | EBX, EAX | EDX),
    **dict.fromkeys(("aaa", "aas", "aam", "aad"), Implicit(EAX, EAX)),
    **dict.fromkeys(("daa", "das"), Implicit(0, 0, EAX)),
}
#: Instructions whose address is the stack pointer: an ESP just written costs them a clock.
ON_STACK = frozenset(
    (
        "push",
        "pop",
        "pusha",
        "popa",
        "pushf",
        "popf",
        "call",
        "ret",
        "callf",
        "retf",
        "iret",
        "enter",
    )
)
STRINGS = frozenset(("movs", "stos", "lods", "scas", "cmps"))
#: Operand size is 32 or 16 by prefix, one stack slot each.
ONE_PUSH = frozenset(("push", "pushf", "call", "enter"))
ONE_POP = frozenset(("pop", "popf", "ret"))
