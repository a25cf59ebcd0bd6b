"""Clients that are broken or mean no good: one line, and the program stands for the next one."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import pytest

from tests.gdb.client import ROOT, Wire, talk
from toykernel.gdb.packets import LONGEST, frame


def test_a_client_that_leaves_at_any_byte() -> None:
    wire = Wire("hello.S")
    stream = frame(b"qSupported:multiprocess+") + b"+" + frame(b"g")
    for cut in range(0, len(stream), 3):
        # One that comes while another is taken on is turned away.
        with suppress(ConnectionError), wire.connect() as client:
            client.sendall(stream[:cut])
    assert wire.ask(b"?") == b"T05thread:2;core:0;"
    wire.end()
    assert set(wire.told) == {
        "gdb: the client is gone; the program stands and waits for another one"
    }


def test_a_giant_packet_closes_the_connection() -> None:
    wire = Wire("hello.S")
    with wire.connect() as client:
        try:
            client.sendall(b"$" + b"m" * (2 * LONGEST))
            assert client.recv(10) == b""
        except ConnectionError:
            pass
    assert wire.ask(b"?") == b"T05thread:2;core:0;"
    wire.end()
    assert f"gdb: a packet of more than {LONGEST} bytes; the connection is closed" in wire.told


def test_a_wrong_checksum_is_asked_for_again() -> None:
    wire = Wire("hello.S")
    with wire.connect() as client:
        client.sendall(b"$?#00")
        assert client.recv(1) == b"-"
        assert talk(client, b"?") == b"T05thread:2;core:0;"
    wire.end()


def test_a_second_client_is_refused() -> None:
    wire = Wire("hello.S")
    with wire.connect() as first:
        assert talk(first, b"?")
        with pytest.raises(ConnectionRefusedError):
            first.__class__.connect(type(first)(), wire.address)
        assert talk(first, b"?")
    wire.end()


def test_a_client_that_interrupts_a_loop() -> None:
    wire = Wire("infinite_loop.S")
    with wire.connect() as client:
        client.sendall(frame(b"c"))
        assert client.recv(1) == b"+"
        client.sendall(b"\x03")
        data = b""
        while b"#" not in data:
            data += client.recv(100)
        assert data.startswith(b"$T02")
    wire.end()


def test_standard_input_that_ends_ends_the_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toykernel.cli.main", "gdb", "--stdio", "userland/hello.S"],
        input=frame(b"?"),
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"+" + frame(b"T05thread:2;core:0;"))
    assert done.stderr == b""


def test_a_port_that_is_taken_is_a_message() -> None:
    wire = Wire("hello.S")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "toykernel.cli.main",
            "gdb",
            "--port",
            str(wire.address[1]),
            "userland/hello.S",
        ],
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    wire.end()
    assert done.returncode == 125
    assert done.stderr == b"toykernel: cannot listen: Address already in use\n"
