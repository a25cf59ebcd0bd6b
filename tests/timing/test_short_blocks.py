"""Blocks that are charged as a whole (emu/_block_charge.h) cost what their instructions cost one by one."""

from __future__ import annotations

import pytest

from bench.beside import _SHORT
from bench.figures import _TIMED_LOOPS, _timed_machine

LOOPS = {
    "three short blocks": _SHORT,
    "calls": _TIMED_LOOPS["calls"],
    "misaligned": (
        "l: mov eax,[ebx+1]; mov [ebx+6],eax; mov [ebx+0x105],ecx; add eax,ecx; nop; nop; "
        "mov [ebx+14],eax; inc edx; nop; add esi,eax; xor edi,esi; push eax; pop eax; "
        "mov word ptr [ebx+3],ax; jmp l"
    ),
}


@pytest.mark.parametrize("profile", ["i486-ideal", "i486"])
@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_a_loop_costs_what_the_reference_says(source: str, profile: str) -> None:
    seen = []
    for native in (True, False):
        machine = _timed_machine(source, profile, native=native)
        for until in (8_000, 12_007):
            machine.run(until)
        clock = machine.clock
        seen.append((clock.cycles, clock.instructions, clock.by_rule(), clock.save_state()))
    assert seen[0] == seen[1]
