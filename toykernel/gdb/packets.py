"""Packets: `$payload#checksum`, acknowledged by + or -, and byte 3 for Ctrl-C (gdb manual, appendix E.1)."""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable

from toykernel.gdb.errors import ProtocolError

#: Bytes of a packet that is announced to gdb, and those after which a client is taken for broken.
PACKET_SIZE = 0x4000
LONGEST = 4 * PACKET_SIZE
_ESCAPED = frozenset(b"#$}*")
_INTERRUPT = 3


def escape(data: bytes) -> bytes:
    """Binary data for a payload."""
    if not _ESCAPED.intersection(data):
        return data
    return b"".join(bytes((0x7D, b ^ 0x20)) if b in _ESCAPED else bytes((b,)) for b in data)


def unescape(data: bytes) -> bytes:
    """The other way."""
    if 0x7D not in data:
        return data
    head, *parts = data.split(b"}")
    return head + b"".join(bytes((part[0] ^ 0x20,)) + part[1:] for part in parts if part)


def frame(payload: bytes) -> bytes:
    """A payload, escaped already, as a packet."""
    return b"$%s#%02x" % (payload, sum(payload) & 0xFF)


class Reader:
    """Bytes in, packets out, however they are cut. `naks` are owed for packets with a wrong checksum."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.packets: deque[bytes] = deque()
        self.interrupted = False
        self.acks = True
        #: What is to be sent at once: + and -, and whether the last packet is wanted again.
        self.answers = bytearray()
        self.again = False

    def feed(self, data: bytes) -> None:
        """Raises ProtocolError for a packet without an end."""
        self._data += data
        while self._data:
            first = self._data[0]
            if first != 0x24:
                self.interrupted |= first == _INTERRUPT
                self.again |= first == 0x2D and self.acks
                del self._data[0]
                continue
            end = self._data.find(b"#")
            if end < 0 or len(self._data) < end + 3:
                if len(self._data) > LONGEST:
                    raise ProtocolError(f"a packet of more than {LONGEST} bytes")
                return
            payload = bytes(self._data[1:end])
            self._take(payload, bytes(self._data[end + 1 : end + 3]))
            del self._data[: end + 3]

    def _take(self, payload: bytes, checksum: bytes) -> None:
        if len(payload) > LONGEST:
            raise ProtocolError(f"a packet of more than {LONGEST} bytes")
        try:
            right = int(checksum, 16) == sum(payload) & 0xFF
        except ValueError:
            right = False
        if self.acks:
            self.answers += b"+" if right else b"-"
        if right:
            self.packets.append(payload)
            if payload == b"QStartNoAckMode":
                self.acks = False


class Connection:
    """One client, by two descriptors (the same one for a socket)."""

    def __init__(self, receive: int, send: int) -> None:
        self._receive, self._send = receive, send
        self._reader = Reader()
        self._last = b""

    def packet(self) -> bytes | None:
        """The next packet; None when the client is gone. Raises ProtocolError."""
        while not self._reader.packets:
            if not self._more():
                return None
            if self._reader.interrupted and not self._reader.packets:
                self._reader.interrupted = False  # nothing runs
        return self._reader.packets.popleft()

    def readable(self) -> bool:
        """Whether bytes have come, or the client is gone."""
        return bool(select.select([self._receive], [], [], 0)[0])

    def packet_with(self, meanwhile: Callable[[], None]) -> bytes | None:
        """As `packet`; `meanwhile` is called before each look, and returns when there is something to read.

        How soon that was there makes no difference to it.
        """
        while not self._reader.packets:
            meanwhile()
            if not self._more():
                return None
        return self.packet()

    def interrupted(self) -> bool:
        """Whether the client wants the prompt back, or is gone; asked while the guest runs.

        Raises ProtocolError.
        """
        while select.select([self._receive], [], [], 0)[0]:
            if not self._more():
                return True
        wanted, self._reader.interrupted = self._reader.interrupted, False
        return wanted

    def _more(self) -> bool:
        try:
            data = os.read(self._receive, 1 << 16)
        except OSError:
            data = b""
        if not data:
            return False
        self._reader.feed(data)
        if self._reader.answers:
            self._write(bytes(self._reader.answers))
            self._reader.answers.clear()
        if self._reader.again:
            self._reader.again = False
            self._write(self._last)
        return True

    def send(self, payload: bytes) -> None:
        """A payload, escaped where it is binary. A client that is gone is noticed when it is read from."""
        self._last = frame(payload)
        self._write(self._last)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._send, view) :]
            except BlockingIOError:
                select.select([], [self._send], [])
            except OSError:
                return
