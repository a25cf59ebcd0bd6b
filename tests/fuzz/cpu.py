"""Random instructions, each with registers, flags and memory of its own: what they leave, how they fault.

What Intel's manual leaves undefined is masked out of the flags. Registers that an instruction is free to
spoil are not compared either: such forms are not written.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path

from case import Step
from instructions import DF, GROUPS, STATUS, Writer, value
from odd_instructions import GROUPS as ODD_GROUPS
from run import against_linux

WORDS = 16
RECORD = 43
NAMES = ("eax", "ecx", "edx", "ebx", "esi", "edi", "ebp", "esp")


class Cpu:
    """Steps are [text, registers, flags, mask, window]."""

    name = "cpu"
    length = 800

    def invent(self, r: random.Random, count: int) -> list[Step]:
        methods, weights = zip(*GROUPS, *ODD_GROUPS, strict=True)
        steps: list[Step] = []
        for _ in range(count):
            writer = Writer(r)
            text, mask = r.choices(methods, weights)[0](writer)
            registers = {name: value(r) for name in NAMES[:6]} | writer.registers
            row = [registers[name] for name in NAMES[:6]] + [writer.at]
            flags = r.getrandbits(32) & (STATUS | (DF if r.random() < 0.3 else 0))
            steps.append([text, row, flags, mask, [value(r) for _ in range(WORDS)]])
        return steps

    def source(self, steps: list[Step]) -> str:
        lines = [(Path(__file__).parent / "cpu.S").read_text(), ".text"]
        rows = [".data", ".balign 4", "table:"]
        for number, (text, registers, flags, mask, window) in enumerate(steps):
            lines.append(f"step_{number}: {text}; jmp record")
            words = [*map(str, registers), str(flags | 0x202), str(mask), f"step_{number}"]
            rows.append(f".long {', '.join(words)}, {', '.join(map(str, window))}")
        size = 4 * RECORD * len(steps)
        return "\n".join([*lines, *rows, "table_end:", ".bss", f"results: .skip {size}", ""])

    def count(self, steps: list[Step]) -> int:
        return len(steps)

    def differs(self, steps: list[Step], ways: list[str]) -> tuple[str, str] | None:
        return against_linux(self, steps, ways)

    def explain(self, steps: list[Step], here: bytes, there: bytes) -> str:
        size = 4 * RECORD
        for number, step in enumerate(steps):
            mine, right = (x[number * size : (number + 1) * size] for x in (here, there))
            if mine == right:
                continue
            lines = [f"step {number}: {step[0]}", f"  {self.before(step)}"]
            if len(mine) < size or len(right) < size:
                return "\n".join([*lines, f"  {len(mine)} bytes here, {len(right)} on Linux"])
            for label, a, b in zip(LABELS, words(mine), words(right), strict=True):
                if a != b:
                    lines.append(f"  {label}: {a:#x} here, {b:#x} on Linux")
            return "\n".join(lines)
        return f"{len(here)} bytes here, {len(there)} on Linux"

    def before(self, step: Step) -> str:
        names = zip(NAMES, step[1], strict=False)
        return " ".join(f"{n}={v:#x}" for n, v in names) + f" flags={step[2]:#x}"


LABELS = (
    *NAMES, "flags", "signal", "trap", "error code", "address", "eip", "flags at the fault",
    *(f"window+{4 * n}" for n in range(WORDS)), "end of page 1", "page 2", "end of page 2",
    *(f"stack-{4 * n}" for n in range(8, 0, -1)), "-",
)  # fmt: skip


def words(record: bytes) -> tuple[int, ...]:
    """A record's numbers."""
    return struct.unpack(f"<{RECORD}I", record)
