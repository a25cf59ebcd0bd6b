"""The devices on the board, one a file. Each answers its ports and may have a deadline."""

from __future__ import annotations

from typing import Any, Protocol


class Device(Protocol):
    """What the board asks of a device. Times are in cycles of the machine's clock."""

    @property
    def name(self) -> str:
        """Unique on its board; names its state in snapshots."""

    @property
    def ports(self) -> tuple[int, ...]:
        """The I/O ports it answers."""

    def read(self, port: int, size: int) -> int:
        """IN from one of its ports: an unsigned value of `size` bytes."""

    def write(self, port: int, size: int, value: int) -> None:
        """OUT of an unsigned value of `size` bytes to one of its ports."""

    def deadline(self) -> int | None:
        """When it next wants `tick`, in cycles since power-on; None: not until it is written to."""

    def tick(self, now: int) -> None:
        """Its deadline has come; `now` is that cycle or a later one."""

    def save(self) -> dict[str, Any]:
        """Its state as plain data, for a snapshot."""

    def load(self, state: dict[str, Any]) -> None:
        """Become what `save` saw."""
