"""Errors that are neither the guest's doing nor the kernel's."""

from __future__ import annotations


class StopRun(Exception):
    """What a listener of a tracepoint raises on purpose: the run is over. Any other exception of a
    listener costs only the listener."""


class HostError(StopRun):
    """The host's side of the machine failed (its standard output, a trace file): the run is over.

    `status` is what the host command exits with; the text is empty when there is nothing to say.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
