"""A snapshot has everything that a machine is: each attribute is saved, derived, or the host's."""

import dataclasses

import pytest
from bare import TSS, UCODE_AT, Bare

from emu.hooks import EngineState
from emu.machine import Machine

PARTS = {
    "ram", "cpu", "clock", "devices", "halted", "allow_io",
    "pic", "timer", "serial", "power",  # the devices
}  # fmt: skip
#: Machine: rebuilt, or of one entry into the engine, or whoever runs the machine has set it.
MACHINE = {
    "linear": "remembered translations: flushed",
    "microcode": "plans that are compared with the tables before use",
    "ports": "gates, which the host sets",
    "_clocked": "one of the devices",
    "trap_stops": "the host's",
    "watched": "a debugger's",
    "trap_listeners": "the host's",
    "tlb_flushes": "a count for the host",
    "_last_trap": "of one delivery",
    "_plans_at": "a host address",
    "_at_gate": "of one run",
    "_wake": "of one entry",
    "_sooner": "of one run, or some",
}
CPU = {
    "regs": "save_state", "_registers": "save_state", "state": "STATE",
    "ram": "a part", "model": "compared", "timing": "the clock's save_state",
    "instructions": "lengths and costs of bytes in RAM", "layout": "the engine's",
    "driver": "the engine's", "exits": "worked out from RAM", "page_ends": "worked out from faults",
    "_uc": "the engine", "_handle": "the engine", "_context": "save_state", "_fields": "the layout",
    "_breaks": "the host's breakpoints", "_bounds": "the engine's", "_live": "the engine's",
    "_watches_memory": "from DR7", "_abandoned": "the engine's", "_held": "pages of translated code",
    "_x87": "of one instruction", "watching": "the host's",
    "_directory": "of one write to CR3", "_write_directory": "the engine's",
}  # fmt: skip
#: EngineState: what outlives an entry into the engine.
STATE_SAVED = {"retired", "cycles", "extra", "allow_io", "deliveries"}
#: Set before or as each entry begins, or told by it when it has ended.
STATE_OF_A_RUN = {
    "limit", "cycle_limit", "delivery_limit", "deadline", "gate", "traps",
    "event", "vector", "port", "size", "value",
    "in_flight", "in_flight_valid", "watch_if", "skip_break", "in_flight_kind", "flags_known",
    "previous_kind",
    "completed", "resume", "careful", "debug_hits", "debug_pending", "system_changed", "error",
    "flags_kept", "settled", "instructions", "at_ease",
}  # fmt: skip
#: Host addresses, numbers of the engine, breakpoints, and the page of code that was looked up last.
STATE_OF_THE_HOST = {
    "timing", "blocks", "x87", "watches", "watch_count", "accesses", "access_room", "access_count",
    "code_page", "code_page_valid", "code_frame",
    "break_count",
    "break_capacity", "breaks", "ram", "ram_size", "held_code", "engine", "context", "regs",
    "fields", "field_count", "old_exception_offset", "is_int_field", "reg_eflags", "reg_cr0",
    "reg_cr3", "reg_cr4", "reg_cs", "reg_eax", "fn_start", "fn_stop", "fn_save", "fn_restore",
    "fn_reg_read", "fn_reg_write", "flags_at", "gate_port", "env",
}  # fmt: skip
PORTS = {"_machine": "the machine", "_devices": "the devices", "gates": "the host's"}
DEVICES = {
    "pic": set(),
    "timer": {"_pic", "_now"},
    "serial": {"_sink"},
    "power": set(),
}


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("timing", ["off", "i486"])
def test_every_attribute_is_accounted_for(native: bool, timing: str) -> None:
    machine = Machine(1 << 20, native=native, timing=timing)
    assert set(vars(machine)) == PARTS | set(MACHINE)
    assert set(vars(machine.cpu)) == set(CPU)
    assert set(vars(machine.ports)) == set(PORTS)
    fields = [row[0] for row in EngineState._fields_]
    assert sorted(fields) == sorted(STATE_SAVED | STATE_OF_A_RUN | STATE_OF_THE_HOST)
    assert len(fields) == len(set(fields))
    for device in machine.devices:
        kept = {name.lstrip("_") for name in device.save()}
        attributes = {name for name in vars(device) if name not in DEVICES[device.name]}
        assert {name.lstrip("_") for name in attributes} == kept, device.name


def test_a_snapshot_has_the_parts() -> None:
    names = {field.name for field in dataclasses.fields(Machine(1 << 20).snapshot())}
    parts = {
        "ram",
        "cpu",
        "retired",
        "charged",
        "timing",
        "counts",
        "deliveries",
        "devices",
        "halted",
        "allow_io",
    }
    assert names == parts | {"version", "ram_size", "model", "profile"}


def allowed(native: bool) -> Bare:
    """Ring 3 is about to execute IN, which the bitmap has just been asked about."""
    bare = Bare(native=native)
    bare.ram.write(TSS + 104, bytes(0x21))
    bare.cpu.tr_limit = 103 + 0x21
    bare.code("inb $0x21, %al; nop")
    assert bare.machine.advance(None, single=True) is None
    assert (bare.cpu.retired, bare.cpu.eip, bare.deliveries) == (0, UCODE_AT, [])
    return bare


@pytest.mark.parametrize("native", [True, False])
def test_a_port_access_that_was_checked_is_not_checked_again(native: bool) -> None:
    bare = allowed(native)
    snapshot = bare.machine.snapshot()
    assert snapshot.allow_io
    fresh = Bare(native=native)
    fresh.machine.restore(snapshot)
    for one in (bare, fresh):
        assert one.machine.advance(None, single=True) is None
        assert (one.cpu.retired, one.cpu.eip, one.cpu.eax & 0xFF) == (1, UCODE_AT + 2, 0xFF)
        assert not one.machine.snapshot().allow_io


@pytest.mark.parametrize("native", [True, False])
def test_a_snapshot_takes_a_permission_back(native: bool) -> None:
    before = Bare(native=native).machine.snapshot()
    bare = allowed(native)
    bare.machine.restore(before)
    assert not bare.machine.snapshot().allow_io
    bare.code("inb $0x21, %al")
    assert bare.trap().vector == 13  # this one's TSS has no bitmap
