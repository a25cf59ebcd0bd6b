"""Watchpoints of gdb and the debug registers that a tracer in the guest has set."""

from __future__ import annotations

from emu.engine_quirks import FIELD
from tests.gdb.client import Client
from toykernel.arch.x86.hw_breakpoint import load_debug_registers, ptrace_set_debugreg


def registers(client: Client) -> list[int]:
    cpu = client.target.k.machine.cpu
    return [cpu.regs[FIELD[f"dr{n}"]] for n in (0, 1, 2, 3, 7)]


def test_the_guests_debug_registers_come_back() -> None:
    client = Client("fork_sample.S")
    k = client.target.k
    ptrace_set_debugreg(k.current.thread, 1, 0x804B000)
    ptrace_set_debugreg(k.current.thread, 7, 0xD00004)
    load_debug_registers(k, k.current)
    mine = registers(client)
    assert mine == [0, 0x804B000, 0, 0, 0xD00404]
    client.ask(f"Z2,{client.label('counter'):x},4")
    assert client.ask("vCont;c").startswith("T05watch:")
    assert registers(client) == mine
