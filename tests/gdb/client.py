"""A client without gdb: packets to a stub in this process, and over a socket."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

from toykernel.gdb.packets import frame
from toykernel.gdb.server import Server
from toykernel.gdb.stub import Stub
from toykernel.gdb.target import Launch, Target
from toykernel.harness.session import Session
from toykernel.state import Config

ROOT = Path(__file__).parent.parent.parent
USERLAND = ROOT / "userland"
SUPPORTED = "multiprocess+;swbreak+;hwbreak+;fork-events+;vfork-events+;exec-events+;no-resumed+"


def session(program: str, timing: str = "off") -> Session:
    """A fresh one."""
    path = (
        USERLAND / program
        if (USERLAND / program).exists()
        else Path(__file__).parent / "programs" / program
    )
    return Session(path, config=Config(timing=timing))


class Client:
    """Talks to a stub directly. `printed` is what the stub prints in gdb's console."""

    def __init__(
        self, program: str, supported: str = SUPPORTED, *, reverse: bool = True, timing: str = "off"
    ) -> None:
        self.printed = b""
        self.program = program

        def make(_launch: Launch) -> Session:
            return session(program)

        def make_target(session: Session) -> Target:
            return Target(session, reverse=reverse)

        target = make_target(session(program, timing))
        self.stub = Stub(make, target, lambda: False, self._print, make_target)
        self.ask(f"qSupported:{supported}")

    def _print(self, data: bytes) -> None:
        self.printed += data

    @property
    def target(self) -> Target:
        return self.stub.target

    def ask(self, packet: str | bytes) -> str:
        """The answer; "" also where there is none."""
        data = packet.encode() if isinstance(packet, str) else packet
        return (self.stub.answer(data) or b"").decode("latin-1")

    def label(self, name: str) -> int:
        """Address of a label of the program."""
        return self.target.session.address(name)


class Wire:
    """A server in a thread, and a socket to it."""

    def __init__(self, program: str) -> None:
        self.told: list[str] = []
        ready = threading.Event()
        self.address = ("127.0.0.1", 0)

        def listening(host: str, port: int) -> None:
            self.address = (host, port)
            ready.set()

        self.server = Server(
            lambda _launch: session(program),
            lambda made: Target(made, reverse=False),
            session(program),
            self.told.append,
        )
        self.thread = threading.Thread(
            target=self.server.listen, args=("127.0.0.1", 0, listening), daemon=True
        )
        self._ready = ready
        self.thread.start()
        assert ready.wait(20)

    def connect(self) -> socket.socket:
        """A client, as soon as the server listens again."""
        for _ in range(400):
            try:
                made = socket.create_connection(self.address, timeout=20)
            except ConnectionRefusedError:
                threading.Event().wait(0.02)
                continue
            return made
        raise AssertionError("nobody listens")

    def ask(self, payload: bytes) -> bytes:
        """The answer for a fresh client. One that comes while another is taken on is turned away."""
        for _ in range(100):
            with suppress(ConnectionError), self.connect() as client:
                answer = talk(client, payload)
                if answer:
                    return answer
        raise AssertionError("no answer")

    def end(self) -> None:
        """Kill the program: the server is done."""
        for _ in range(100):
            with suppress(ConnectionError), self.connect() as client:
                client.sendall(frame(b"k"))
                self.thread.join(0.5)
            if not self.thread.is_alive():
                return
        raise AssertionError("the server lives")


def talk(client: socket.socket, payload: bytes) -> bytes:
    """The answer to one packet, acknowledged."""
    client.sendall(frame(payload))
    data = b""
    while b"#" not in data or len(data) < data.index(b"#") + 3:
        part = client.recv(65536)
        if not part:
            return data
        data += part
    client.sendall(b"+")
    return data[data.index(b"$") + 1 : data.index(b"#")]
