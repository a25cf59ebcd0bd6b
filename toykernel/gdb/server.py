"""Serving clients: one after the other on a port, or one on standard input and output."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.gdb.errors import ProtocolError
from toykernel.gdb.packets import PACKET_SIZE, Connection
from toykernel.gdb.stub import Stub
from toykernel.gdb.target import Factory, Target

if TYPE_CHECKING:
    from toykernel.harness.session import Session

_RESUMING = (b"vCont;", b"c", b"C", b"s", b"S", b"bs", b"bc")


class Server:
    """One target for all clients. `tell` prints a line for people on the host."""

    def __init__(
        self,
        make: Factory,
        make_target: Callable[[Session], Target],
        session: Session,
        tell: Callable[[str], None],
    ) -> None:
        """Runs to the program's first instruction."""
        self._make, self._make_target, self._tell = make, make_target, tell
        self.target = make_target(session)
        self.killed = self.detached = False
        self._connection: Connection | None = None
        self._to_client = False
        self._running = False
        self._may_print = False
        self._output = bytearray()

    def write_console(self, fd: int, data: bytes) -> bool:
        """The guest's output to a client that has no other way to see it; whether it went there."""
        if not self._to_client or self._connection is None:
            return False
        self._output += data
        if self._running:
            self._flush()
        return True

    def _flush(self) -> None:
        """What the guest has written, while the client waits for a stop: at no other time it may come."""
        assert self._connection is not None
        for at in range(0, len(self._output), PACKET_SIZE // 4):
            part = bytes(self._output[at : at + PACKET_SIZE // 4])
            self._connection.send(b"O" + part.hex().encode())
        self._output.clear()

    def serve(self, connection: Connection, *, to_client: bool = False) -> bool:
        """Until the client is gone; whether it has let go of everything or killed it."""
        self._connection, self._to_client = connection, to_client
        stub = Stub(self._make, self.target, connection.interrupted, self._print, self._make_target)
        try:
            while (packet := self._next(connection, stub)) is not None:
                self._running = packet.startswith(_RESUMING)
                self._may_print = self._running or packet.startswith(b"qRcmd,")
                if self._running:
                    self._flush()
                answer = stub.answer(packet)
                self._running = False
                if answer is not None:
                    connection.send(answer)
                if stub.leaving:
                    break
        except ProtocolError as error:
            self._tell(f"gdb: {error}; the connection is closed")
        finally:
            self._running = False
            self._connection = None
            self.target = stub.target
            self.killed = stub.killed
            gone = stub.leaving or (stub.released and not stub.target.processes.attached)
            self.detached = gone and not stub.killed
            stub.monitor.close()
        return gone

    def _next(self, connection: Connection, stub: Stub) -> bytes | None:
        """The next packet; meanwhile, processes that were detached run on."""
        if not stub.idle:
            return connection.packet()
        return connection.packet_with(lambda: stub.target.resumer.run_free(connection.readable))

    def unsent(self) -> bytes:
        """What the guest has written since the client last listened, once that is gone."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def _print(self, data: bytes) -> None:
        if self._connection is not None and self._may_print:
            self._flush()
            self._connection.send(b"O" + data.hex().encode())

    def listen(self, host: str, port: int, ready: Callable[[str, int], None]) -> None:
        """Clients at a TCP port, until one has let go, or left when the run was over.

        `ready` hears the address. Raises OSError.
        """
        while True:
            with socket.create_server((host, port)) as listening:
                port = listening.getsockname()[1]
                ready(host, port)
                client, _ = listening.accept()
            # Nobody else is listened to meanwhile: a second client is refused.
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.serve(Connection(client.fileno(), client.fileno())):
                    return
            if self.target.k.outcome is not None:
                return  # there is nothing to wait for
            self._tell("gdb: the client is gone; the program stands and waits for another one")
