"""What an answer of the stub can fail with."""

from __future__ import annotations

from toykernel.errno import EINVAL, ESRCH


class ProtocolError(Exception):
    """The client cannot be talked to any more; the text says why."""


class RemoteError(Exception):
    """A packet that is answered with E and an errno of Linux."""

    def __init__(self, number: int = EINVAL) -> None:
        super().__init__(number)
        self.number = number


def no_task() -> RemoteError:
    """For a thread that is not there, or not ours."""
    return RemoteError(ESRCH)
