"""Where blocks are made to end early, because the engine cannot translate them whole: see
emu/untranslatable.py and emu/page_end.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu import microcode as mc
from emu.cpu import Cpu
from emu.eflags import EFLAGS_IF
from emu.errors import EngineContractError
from emu.events import Event
from emu.linear import LinearMemory
from emu.port_io import LONGEST, code_bytes, split_prefixes
from emu.untranslatable import is_untranslatable, untranslatable_starts

if TYPE_CHECKING:
    from emu.machine import Machine

_FLAT = 0xFFFFFFFF
_HLT = b"\xf4"


def reached(cpu: Cpu, linear: LinearMemory) -> bool:
    """Whether the run ended in front of an exit, and not behind a HLT."""
    state = cpu.state
    at = cpu.eip + cpu.cs_base & _FLAT
    if at not in cpu.exits and at not in cpu.page_ends:
        return False
    if not state.in_flight_valid:
        return True
    code = code_bytes(linear, state.in_flight)
    return code[split_prefixes(code)[2] :][:1] != _HLT


def engine_gave_up(cpu: Cpu, linear: LinearMemory) -> None:
    """The engine aborted over the block at EIP: look for the reason and end blocks there.

    Raises EngineContractError when there is none.
    """
    start = cpu.eip + cpu.cs_base & _FLAT
    code = code_bytes(linear, start, 0x1000 - (start & 0xFFF) + LONGEST)
    found = frozenset(start + at & _FLAT for at in untranslatable_starts(code))
    if not found - cpu.exits:
        raise EngineContractError(
            f"the engine aborted over the code at {start:#010x}: {code[:16].hex(' ')}"
        )
    cpu.exits |= found
    cpu.reopen()


def untranslatable(machine: Machine) -> Event | None:
    """The run has come to an exit: #UD, or one step if there is other code now."""
    cpu, state = machine.cpu, machine.cpu.state
    late = cpu.timing is not None and cpu.timing.cycles >= state.cycle_limit
    if late or cpu.retired >= state.limit or (state.watch_if and cpu.eflags & EFLAGS_IF):
        return None  # what the code hook would have stopped for
    at = cpu.eip + cpu.cs_base & _FLAT
    if at in cpu.page_ends:
        cpu.set_exits(cpu.exits, cpu.page_ends - {at})
        return machine.go_on()
    if is_untranslatable(code_bytes(machine.linear, at)):
        return machine.trap(machine.microcode.exception, mc.UD)
    before = cpu.exits
    cpu.set_exits(before - {at})
    happened = cpu.run(cpu.retired + 1)
    cpu.set_exits(before)
    return machine.handle(happened)
