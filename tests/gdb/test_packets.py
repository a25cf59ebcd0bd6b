"""Packets: however they are cut, and whatever is in them."""

from __future__ import annotations

import random

import pytest

from toykernel.gdb.errors import ProtocolError
from toykernel.gdb.packets import LONGEST, Reader, escape, frame, unescape


def test_a_packet_has_the_checksum_of_the_manual() -> None:
    assert frame(b"OK") == b"$OK#9a"  # gdb manual, E.1
    assert frame(b"") == b"$#00"


@pytest.mark.parametrize("seed", range(20))
def test_binary_data_survives_escaping(seed: int) -> None:
    data = random.Random(seed).randbytes(300)
    hidden = escape(data)
    assert unescape(hidden) == data
    assert not {b"#"[0], b"$"[0], b"*"[0]} & set(hidden)


@pytest.mark.parametrize("seed", range(10))
def test_packets_are_found_however_they_are_cut(seed: int) -> None:
    rng = random.Random(seed)
    payloads = [escape(rng.randbytes(rng.randrange(40))) for _ in range(30)]
    stream = b"".join(b"+" + frame(p) for p in payloads)
    reader = Reader()
    while stream:
        size = rng.randrange(1, 9)
        reader.feed(stream[:size])
        stream = stream[size:]
    assert list(reader.packets) == payloads
    assert reader.answers == b"+" * 30


def test_a_wrong_checksum_is_refused() -> None:
    reader = Reader()
    reader.feed(b"$g#00" + frame(b"?") + b"$g#zz")
    assert (list(reader.packets), reader.answers) == ([b"?"], b"-+-")


def test_after_no_ack_mode_nothing_is_acknowledged() -> None:
    reader = Reader()
    reader.feed(frame(b"QStartNoAckMode") + frame(b"g") + b"-")
    assert (reader.answers, reader.again) == (b"+", False)


def test_ctrl_c_is_no_part_of_a_packet() -> None:
    reader = Reader()
    reader.feed(b"\x03" + frame(b"X0,1:\x03"))
    assert reader.interrupted
    assert list(reader.packets) == [b"X0,1:\x03"]


def test_a_packet_without_an_end_is_given_up() -> None:
    reader = Reader()
    reader.feed(b"$" + b"x" * (LONGEST - 1))
    with pytest.raises(ProtocolError, match="a packet of more than"):
        reader.feed(b"xx")
