"""The errors that the machine raises to its host. Guest faults are never among them."""

from __future__ import annotations


class MachineError(Exception):
    """Base of everything the machine can complain about to its host."""


class EngineContractError(MachineError):
    """The installed engine does not behave as this package was built for (see engine_quirks)."""


class BusError(MachineError):
    """The host touched physical memory that the machine does not have."""

    def __init__(self, address: int, length: int, size: int) -> None:
        super().__init__(
            f"physical address {address:#010x}+{length} is outside "
            f"the machine's {size:#x} bytes of RAM"
        )
        self.address = address
        self.length = length


class SnapshotError(MachineError):
    """A snapshot does not belong to this machine (size of RAM, CPU model, format version)."""
