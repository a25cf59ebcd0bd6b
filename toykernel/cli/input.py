"""Host input: what the guest reads from its console, and the record of it that makes the run repeatable.

A record is text: a line that says so, then a line for each time the host was asked, with the number of
bytes it gave and the bytes, as a JSON list of a number and a string (a character a byte). No bytes are
the end of the input. Where the input was a terminal, the first line says so, and the guest's console
is one, too.

Input arrives when the guest asks for it: a read waits for the host, and no virtual time passes meanwhile.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable

from toykernel.errors import HostError
from toykernel.harness.exit_status import EXIT_MISUSE

Reader = Callable[[int, int], bytes]
MAGIC = "toykernel input 1"
TERMINAL = f"{MAGIC} tty"


class Descriptor:
    """A host file, pipe or terminal, read as the guest reads: never more than it asks for.

    What is not asked for stays for whoever reads next. A terminal gives lines, as on Linux.
    """

    def __init__(self, fd: int, name: str) -> None:
        """`fd` is read when the guest wants more; `name` is for messages."""
        self._fd = fd
        self._name = name
        self.tty = os.isatty(fd)
        self._given: list[bytes] = []

    def __call__(self, read: int, count: int) -> bytes:
        """Wait for some bytes; b"" at the end. Raises HostError, and KeyboardInterrupt while it waits."""
        while read >= len(self._given):
            try:
                self._given.append(os.read(self._fd, count))
            except BlockingIOError:
                select.select([self._fd], [], [])
            except OSError as error:
                message = f"cannot read {self._name}: {error.strerror}"
                raise HostError(EXIT_MISUSE, message) from None
        return self._given[read]


class Recorded:
    """What a record holds, read by read; after it, the end of the input."""

    def __init__(self, record: bytes) -> None:
        """From a record's bytes. Raises ValueError, which says what is wrong."""
        head, *lines = record.decode("ascii", "replace").splitlines() or [""]
        self.tty = head == TERMINAL
        if head not in (MAGIC, TERMINAL):
            raise ValueError("it was not written by --record-input")
        self._reads = [_parsed(line, number) for number, line in enumerate(lines, 2)]

    def __call__(self, read: int, _count: int) -> bytes:
        """More than asked for when the guest is not the one that was recorded: it is kept for later."""
        return self._reads[read] if read < len(self._reads) else b""


def _parsed(line: str, number: int) -> bytes:
    try:
        size, text = json.loads(line)
        data: bytes = text.encode("latin-1")
    except (ValueError, TypeError, AttributeError):
        raise ValueError(f"line {number} is not [NUMBER, STRING]") from None
    if size != len(data):
        raise ValueError(f"line {number} has {len(data)} bytes, not {size}")
    return data


def is_terminal(reader: Reader | None) -> bool:
    """Whether what a reader reads is a terminal, or was when it was recorded."""
    return isinstance(reader, Descriptor | Recorded) and reader.tty


def recording(reader: Reader, write: Callable[[bytes], None]) -> Reader:
    """A reader that asks `reader`, and writes down every answer as it is given."""
    write(f"{TERMINAL if is_terminal(reader) else MAGIC}\n".encode())
    written = 0

    def read_and_write(read: int, count: int) -> bytes:
        nonlocal written
        data = reader(read, count)
        if read >= written:
            written = read + 1
            write(f"{json.dumps([len(data), data.decode('latin-1')])}\n".encode())
        return data

    return read_and_write
