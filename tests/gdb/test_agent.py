"""Conditions that are evaluated here: every code of the manual, what fails, what a hit does not disturb."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gdb.client import Client
from toykernel.gdb.agent import decode
from toykernel.gdb.errors import RemoteError
from toykernel.statehash import state_hash

WORD = 1 << 64
END = b"\x27"
# Codes, as the manual numbers them (gdb manual, appendix F.2).
ADD, SUB, MUL, DIV_S, DIV_U, REM_S, REM_U, LSH, RSH_S, RSH_U = (bytes((n,)) for n in range(2, 12))
NOT, AND, OR, XOR, COMPLEMENT, EQUAL, LESS_S, LESS_U = (bytes((n,)) for n in range(0x0E, 0x16))
REF8, REF16, REF32, REF64 = (bytes((n,)) for n in range(0x17, 0x1B))
DUP, POP, SWAP, ROT = b"\x28", b"\x29", b"\x2b", b"\x33"


def c(number: int) -> bytes:
    """A constant; negative by the sign extension that gdb writes."""
    return bytes((0x22, number & 0xFF)) + (b"\x16\x08" if number < 0 else b"")


@pytest.fixture(scope="module")
def client() -> Client:
    return Client("hello.S", reverse=False)


def value(client: Client, code: bytes) -> int:
    """What an expression leaves on the stack."""
    k = client.target.k
    return decode(code).value(k, client.target.registers, k.current)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (c(5) + c(3) + ADD, 8),
        (c(3) + c(5) + SUB, -2),
        (c(-3) + c(5) + MUL, -15),
        (c(-7) + c(2) + DIV_S, -3),
        (c(-7) + c(2) + DIV_U, (WORD - 7) // 2),
        (c(-7) + c(2) + REM_S, -1),
        (c(-7) + c(10) + REM_U, (WORD - 7) % 10),
        (c(1) + c(63) + LSH, 1 << 63),
        (c(1) + c(64) + LSH, 0),
        (c(-128) + c(3) + RSH_S, -16),
        (c(-128) + c(3) + RSH_U, (WORD - 128) >> 3),
        (c(0) + NOT, 1),
        (c(7) + NOT, 0),
        (c(12) + c(10) + AND, 8),
        (c(12) + c(10) + OR, 14),
        (c(12) + c(10) + XOR, 6),
        (c(0) + COMPLEMENT, -1),
        (c(5) + c(5) + EQUAL, 1),
        (c(-1) + c(1) + LESS_S, 1),
        (c(-1) + c(1) + LESS_U, 0),
        (b"\x23\xff\xfe\x16\x10", -2),  # const16, ext 16
        (b"\x24\xff\xff\x00\xfe\x2a\x08", 0xFE),  # const32, zero_ext 8
        (b"\x25\x01\x23\x45\x67\x89\xab\xcd\xef", 0x0123456789ABCDEF),
        (c(1) + c(2) + POP, 1),
        (c(5) + DUP + ADD, 10),
        (c(5) + c(3) + SWAP + SUB, -2),
        (c(1) + c(2) + c(3) + b"\x32\x02", 1),  # pick
        (c(1) + c(2) + c(3) + ROT, 2),  # a b c: c a b
        (c(1) + c(2) + c(3) + ROT + POP + POP, 3),
        (c(1) + b"\x20\x00\x07" + c(3) + c(9), 9),  # if_goto 7: over 3
        (b"\x21\x00\x05" + c(7) + c(9), 9),  # goto 5
    ],
)
def test_a_code(client: Client, code: bytes, expected: int) -> None:
    assert value(client, code + END) == expected % WORD


def test_registers_and_memory(client: Client) -> None:
    eip = int.from_bytes(bytes.fromhex(client.ask("p8")), "little")
    assert value(client, b"\x26\x00\x08" + END) == eip
    for code, size in ((REF8, 1), (REF16, 2), (REF32, 4), (REF64, 8)):
        expected = int.from_bytes(bytes.fromhex(client.ask(f"m{eip:x},{size}")), "little")
        assert value(client, b"\x26\x00\x08" + code + END) == expected
    xmm0 = next(n for n, r in enumerate(client.target.registers.list) if r.name == "mxcsr")
    assert value(client, b"\x26" + xmm0.to_bytes(2, "big") + END) == 0x1F80


@pytest.mark.parametrize(
    "code",
    [
        c(1) + c(0) + DIV_S,
        c(1) + c(0) + DIV_U,
        c(1) + c(0) + REM_S,
        c(1) + c(0) + REM_U,
        c(0) + REF32,  # nothing is mapped at 0
        ADD,  # an empty stack
        b"\x26\x03\xe7",  # no such register
        b"\x21\x00\x00",  # for ever
    ],
)
def test_what_fails_is_true(client: Client, code: bytes) -> None:
    k = client.target.k
    assert decode(code + END).holds(k, client.target.registers, k.current)


@pytest.mark.parametrize(
    "code",
    [
        b"",
        c(1),  # no end
        b"\x22",  # cut off
        b"\x0c" + END,  # trace: conditions do not
        b"\x2c\x00\x01" + END,  # a trace state variable
        b"\x01" + END,  # float: gdb does not make it either
        b"\xff" + END,
        b"\x21\x00\x09" + END,  # a jump to nowhere
        c(1) + b"\x16\x00" + END,
        c(1) + b"\x16\x41" + END,
    ],
)
def test_what_is_no_condition_is_refused(code: bytes) -> None:
    with pytest.raises(RemoteError):
        decode(code)


def test_a_condition_stops_only_where_it_holds() -> None:
    client = Client("fork_loop.S")
    assert "ConditionalBreakpoints+" in client.ask("qSupported:multiprocess+").split(";")
    at = client.label("_start")
    never = (c(0) + END).hex()
    always = (c(1) + END).hex()
    line = f"Z0,{at:x},1;X{len(never) // 2:x},{never}"
    assert client.ask("vCont;s:p2.2").startswith("T05")
    after = int.from_bytes(bytes.fromhex(client.ask("p8")), "little")
    client = Client("fork_loop.S")
    assert client.ask(line.replace(f"{at:x},", f"{after:x},")) == "OK"
    assert not client.ask("vCont;c").startswith("T05swbreak")
    client = Client("fork_loop.S")
    two = f"X{len(never) // 2:x},{never}X{len(always) // 2:x},{always}"
    assert client.ask(f"Z0,{after:x},1;{two}") == "OK"  # any of them
    assert client.ask("vCont;c") == "T05swbreak:;thread:p2.2;core:0;"
    assert client.ask(f"Z1,{at:x},1;{two};cmds:0,X1,27") == "E16"
    assert client.ask(f"Z1,{at:x},1;X2,22") == "E16"
    assert client.ask(f"Z1,{at:x},1;Y1,27") == "E16"
    assert client.ask(f"Z2,{at & -4:x},4;{two}") == "E16"


LOOP = """        .globl _start
_start: movl $300, %ecx
again:  incl value
        decl %ecx
        jnz again
done:   movl $1, %eax
        xorl %ebx, %ebx
        int $0x80
        .data
value:  .long 0
"""


def test_hits_change_nothing_and_backwards_asks_too(tmp_path: Path) -> None:
    source = tmp_path / "loop.S"
    source.write_text(LOOP)
    hashes = []
    for condition in (b"", b"\x26\x00\x01\x22\x05\x13" + END):  # ecx == 5
        client = Client(str(source))
        at, done = client.label("again"), client.label("done")
        text = f";X{len(condition):x},{condition.hex()}" if condition else ""
        if text:
            assert client.ask(f"Z0,{at:x},1{text}") == "OK"
            assert client.ask("vCont;c") == "T05swbreak:;thread:p2.2;core:0;"
            assert client.ask("p1") == "05000000"
            client.ask(f"z0,{at:x},1")  # as gdb steps off a breakpoint
            client.ask("vCont;s:p2.2")
            client.ask(f"Z0,{at:x},1{text}")
        assert client.ask(f"Z0,{done:x},1") == "OK"
        assert client.ask("vCont;c") == "T05swbreak:;thread:p2.2;core:0;"
        hashes.append(state_hash(client.target.k))
        if text:
            assert client.ask("bc") == "T05swbreak:;thread:p2.2;core:0;"
            assert (client.ask("p8"), client.ask("p1")) == (
                at.to_bytes(4, "little").hex(),
                "05000000",
            )
            assert "replaylog:begin" in client.ask("bc")
    assert hashes[0] == hashes[1]
