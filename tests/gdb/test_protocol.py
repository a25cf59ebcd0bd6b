"""The stub's answers, without gdb."""

from __future__ import annotations

import random

import pytest

from tests.gdb.client import Client, session
from toykernel.fs.mount import d_path
from toykernel.gdb.target import Target
from toykernel.state import OutcomeKind
from toykernel.statehash import state_hash


def test_what_is_supported_and_not() -> None:
    client = Client("hello.S")
    known = client.ask("qSupported:multiprocess+").split(";")
    assert {"multiprocess+", "fork-events+", "ReverseStep+", "qXfer:siginfo:read+"} <= set(known)
    assert [client.ask(p) for p in ("vMustReplyEmpty", "qNothing", "J1,2", "QNothing:1")] == [
        ""
    ] * 4


def test_without_a_past_nobody_goes_back() -> None:
    client = Client("hello.S", reverse=False)
    assert "ReverseStep+" not in client.ask("qSupported:multiprocess+")
    assert client.ask("bs") == client.ask("bc") == ""


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        ("?", "T05thread:p2.2;core:0;"),
        ("qC", "QCp2.2"),
        ("qfThreadInfo", "mp2.2"),
        ("qsThreadInfo", "l"),
        ("qAttached:2", "0"),
        ("Hgp2.2", "OK"),
        ("Hgp7.7", "E03"),
        ("Tp2.2", "OK"),
        ("Tp2.9", "E03"),
        ("m0,4", "E0e"),
        ("M0,1:00", "E0e"),
        ("M8049000,2:00", "E16"),
        ("Mffffffff,2:0000", "E16"),
        ("p999", "E16"),
        ("Gzz", "E16"),
        ("P8=", "E16"),
        ("vCont?", "vCont;c;C;s;S;t;r"),
        ("vCont;q", "E16"),
        ("vKill;99", "E03"),
        ("vAttach;99", "E03"),
        ("vRun;2f6e6f7468696e67", "E03"),
        ("Z9,0,1", ""),
        ("QNonStop:1", "E16"),
        ("vFile:open:2f6e6f7468696e67,0,0", "F-1,2"),
        ("vFile:open:2f,0,0", "F-1,15"),
        ("vFile:open:2f68656c6c6f,1,0", "F-1,1e"),
        ("vFile:pread:9,1,0", "F-1,9"),
        ("vFile:unlink:2f68656c6c6f", "F-1,1e"),
        ("vFile:nothing:1", ""),
        ("qXfer:features:read:nothing.xml:0,10", "E16"),
        ("qXfer:nothing:read::0,10", ""),
        ("qXfer:exec-file:read::0,100", "l/hello"),
        ("qXfer:exec-file:read::2,2", "mel"),
    ],
)
def test_an_answer(packet: str, answer: str) -> None:
    assert Client("hello.S").ask(packet) == answer


def test_a_breakpoint_stops_and_changes_no_byte() -> None:
    client = Client("fork_sample.S")
    at = client.label("parent")
    before = client.target.k.machine.ram.image()
    assert client.ask(f"Z0,{at:x},1") == "OK"
    assert client.target.k.machine.ram.image() == before
    assert client.ask("vCont;c").startswith("T05fork:p3.3;thread:p2.2;")
    assert client.ask("vCont;c") == "T05swbreak:;thread:p2.2;core:0;"
    assert client.ask(f"m{at:x},2") == "89c6"  # movl %eax, %esi: no int3 is seen
    assert client.ask("p8") == at.to_bytes(4, "little").hex()


def test_a_breakpoint_in_a_shared_page_is_for_its_process_alone() -> None:
    client = Client("fork_sample.S")
    at = client.label("_start") + 0x11  # behind fork's int $0x80: both come there
    assert client.ask("vCont;c").startswith("T05fork")
    for tgid, answer in ((2, "OK"), (3, "OK")):
        client.ask(f"Hgp{tgid}.{tgid}")
        assert client.ask(f"Z0,{at:x},1") == answer
    client.ask("Hgp2.2")
    client.ask(f"z0,{at:x},1")
    assert client.ask("vCont;c") == "T05swbreak:;thread:p3.3;core:0;"


def test_a_client_without_fork_events_is_left_alone() -> None:
    client = Client("fork_sample.S", "multiprocess+")
    assert client.ask("vCont;c") == "W00;process:2"


def test_who_stands_still_does_not_run() -> None:
    client = Client("fork_sample.S")
    client.ask("vCont;c")
    assert client.ask("vCont;c:p3.-1") == "W00;process:3"
    client.ask("Hgp2.2")
    counter = client.label("counter")
    assert client.ask(f"m{counter:x},4") == "01000000"
    assert client.ask("vCont;c") == "W00;process:2"
    assert client.ask("vCont;c") == "N"


def test_stepping_changes_neither_cycles_nor_state() -> None:
    for program in ("fork_sample.S", "cow_copy_reuse.S", "pipe_talk.S", "signal_handler.S"):
        client = Client(program, "multiprocess+", timing="off")
        action = "s"
        for _ in range(2000):
            stop = client.ask(f"vCont;{action}:p2.2;c")
            if not stop.startswith("T"):
                break
            action = "s" if stop.startswith("T05") else f"S{stop[1:3]}"  # the signal goes on to it
        client.ask("D")
        client.target.session.run()
        alone = session(program)
        outcome = alone.run()
        assert outcome.kind is OutcomeKind.FINISHED
        k = client.target.k
        assert k.machine.position == alone.kernel.machine.position
        assert state_hash(k) == state_hash(alone.kernel)


def test_a_watchpoint_changes_neither_cycles_nor_state() -> None:
    client = Client("fork_sample.S", "multiprocess+", reverse=False)
    counter = client.label("counter")
    assert client.ask(f"Z2,{counter:x},4") == "OK"
    assert client.ask("vCont;c") == f"T05watch:{counter:x};thread:p2.2;core:0;"
    assert client.ask("vCont;c") == f"T05watch:{counter:x};thread:p2.2;core:0;"
    assert client.ask("vCont;c") == "W00;process:2"
    client.target.session.run()
    alone = session("fork_sample.S")
    alone.run()
    assert state_hash(client.target.k) == state_hash(alone.kernel)


def test_back_and_forth_leads_to_the_same_state() -> None:
    client = Client("fork_sample.S", "multiprocess+")
    for _ in range(30):
        client.ask("vCont;s:p2.2;c")
    there, state = client.target.k.machine.position, state_hash(client.target.k)
    for _ in range(12):
        client.ask("bs")
    assert client.target.k.machine.position < there
    for _ in range(12):
        client.ask("vCont;s:p2.2;c")
    assert (client.target.k.machine.position, state_hash(client.target.k)) == (there, state)


def test_registers_can_be_written_and_read() -> None:
    client = Client("fpu_sse.S")
    old = bytes.fromhex(client.ask("g"))
    rng = random.Random(1)
    for register in client.target.registers.list:
        if register.name in ("cs", "ss", "ds", "es", "fs", "gs", "orig_eax", "fs_base", "gs_base"):
            continue
        number = client.target.registers.list.index(register)
        data = rng.randbytes(register.size)
        if register.name in ("eflags", "mxcsr", "fop") or register.name in (
            "fctrl",
            "fstat",
            "ftag",
        ):
            continue
        if register.name in ("fiseg", "foseg"):
            data = data[:2] + bytes(2)
        assert client.ask(f"P{number:x}={data.hex()}") == "OK", register.name
        assert client.ask(f"p{number:x}") == data.hex(), register.name
    assert client.ask(f"G{old.hex()}") == "OK"
    assert bytes.fromhex(client.ask("g")) == old


def test_a_working_directory_of_the_guest() -> None:
    client = Client("hello.S", reverse=False)
    client.ask("QSetWorkingDir:" + b"/dev".hex())
    assert client.ask("vRun;") == "T05thread:p2.2;core:0;"
    fs = client.stub.task().fs
    assert fs is not None
    assert d_path(fs.root, fs.pwd) == "/dev"
    client.ask("QSetWorkingDir:" + b"/hello".hex())
    assert client.ask("vRun;") == "E14"
    client.ask("QSetWorkingDir:" + b"/nothing".hex())
    assert client.ask("vRun;") == "E02"


def test_the_monitor_tells_and_refuses() -> None:
    client = Client("hello.S")
    for line in ("info tasks", "help", "nothing", "goto cycle 1", "continue", "follow kernel on"):
        assert client.ask("qRcmd," + line.encode().hex()) == "OK"
    text = client.printed.decode()
    assert "swapper" in text
    assert 'no command "nothing"' in text
    assert "continue is gdb's own to do" in text


@pytest.mark.parametrize("seed", range(6))
def test_no_packet_breaks_the_stub(seed: int) -> None:
    rng = random.Random(seed)
    client = Client("fork_sample.S", reverse=seed % 2 == 0)
    heads = (
        *(
            "g",
            "G",
            "p",
            "P",
            "m",
            "M",
            "X",
            "Z",
            "z",
            "H",
            "T",
            "c",
            "s",
            "C",
            "S",
            "D",
            "?",
            "!",
            "b",
        ),
        *(
            "vCont;",
            "vAttach;",
            "vKill;",
            "vFile:open:",
            "vFile:pread:",
            "vFile:",
            "vRun;",
            "q",
            "Q",
        ),
        *(
            "qXfer:auxv:read:",
            "qXfer:siginfo:read::",
            "qXfer:",
            "qSupported:",
            "qRcmd,",
            "qAttached:",
        ),
        *("QPassSignals:", "QCatchSyscalls:", "QEnvironmentHexEncoded:", "qThreadExtraInfo,", "R"),
    )
    letters = b"0123456789abcdefp.,:;=-+ ZXg\xff\x00}"
    for _ in range(400):
        body = bytes(rng.choice(letters) for _ in range(rng.randrange(14)))
        client.stub.answer(rng.choice(heads).encode() + body)
        if client.stub.leaving or not client.target.processes.attached:
            client.stub.leaving = False
            client.stub.take(Target(session("fork_sample.S"), reverse=False))


def test_the_monitor_explains() -> None:
    client = Client("cow_copy_reuse.S")
    for line in ("explain", "explain errno 2", "explain event 3", "explain event 3"):
        assert client.ask("qRcmd," + line.encode().hex()) == "OK"
    text = client.printed.decode()
    assert "_start at 0x08049000" in text
    assert "ENOENT is error number 2" in text
    assert "no event 3" in text
