"""Snapshots: everything a machine is, as plain data with a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emu.errors import SnapshotError
from emu.record import dataclass

if TYPE_CHECKING:
    from emu.machine import Machine

SNAPSHOT_VERSION = 5


@dataclass(frozen=True)
class Snapshot:
    """Everything a machine is: restore it anywhere with the same RAM size and CPU model."""

    version: int
    ram_size: int
    model: str
    ram: dict[int, bytes]
    cpu: bytes
    retired: int
    deliveries: int
    charged: dict[str, int]
    profile: str
    timing: dict[str, list[int]]
    counts: dict[str, int]
    devices: dict[str, dict[str, Any]]
    halted: bool
    allow_io: bool


def take(machine: Machine) -> Snapshot:
    """RAM, registers, devices and clock."""
    return Snapshot(
        version=SNAPSHOT_VERSION,
        ram_size=machine.ram.size,
        model=machine.cpu.model,
        ram=machine.ram.image(),
        cpu=machine.cpu.save_state(),
        retired=machine.cpu.retired,
        deliveries=machine.cpu.state.deliveries,
        charged=machine.clock.save(),
        profile=machine.clock.profile,
        timing=machine.clock.save_state(),
        counts=machine.clock.save_counts(),
        devices={d.name: d.save() for d in machine.devices},
        halted=machine.halted,
        # It stays with the engine where a run ended before the instruction.
        allow_io=machine.allow_io or bool(machine.cpu.state.allow_io),
    )


def put_back(machine: Machine, snapshot: Snapshot) -> None:
    """Make the machine what it was.

    SnapshotError when RAM size, CPU model or version are another's.
    """
    if snapshot.version != SNAPSHOT_VERSION:
        raise SnapshotError(f"snapshot version {snapshot.version}, not {SNAPSHOT_VERSION}")
    if (snapshot.ram_size, snapshot.model) != (machine.ram.size, machine.cpu.model):
        raise SnapshotError(
            f"the snapshot is of {snapshot.ram_size} bytes and a {snapshot.model}, "
            f"the machine has {machine.ram.size} and is a {machine.cpu.model}"
        )
    if snapshot.profile != machine.clock.profile:
        raise SnapshotError(
            f"the snapshot is timed by the profile {snapshot.profile}, "
            f"the machine by {machine.clock.profile}"
        )
    machine.cpu.load_state(snapshot.cpu)
    machine.ram.load_image(snapshot.ram)
    machine.linear.flush()
    machine.cpu.state.retired = snapshot.retired
    machine.cpu.state.deliveries = snapshot.deliveries
    machine.clock.load(snapshot.charged)
    machine.clock.load_state(snapshot.timing, snapshot.charged)
    machine.clock.load_counts(snapshot.counts)
    for device in machine.devices:
        device.load(snapshot.devices[device.name])
    machine.halted = snapshot.halted
    machine.allow_io, machine.cpu.state.allow_io = snapshot.allow_io, 0
