"""Going back where the past is not a plain run: processes that stood still, followed children, observers."""

from __future__ import annotations

import re
from pathlib import Path

from tests.gdb.client import Client
from toykernel.gdb.stops import Stop
from toykernel.harness.session import Session
from toykernel.observe.core_dumps import CoreDumps
from toykernel.observe.once import Once
from toykernel.observe.strace import Strace
from toykernel.state import Config

PARENT = b"This is Parent\ncounter in the parent: 2\n"
CHILD = b"This is Child\n"
FORK = "T05fork:p3.3;thread:p2.2;core:0;"


def back(client: Client, packet: str) -> str:
    """The answer, without the registers that it may have along."""
    return re.sub(r"(?<=;)[0-9a-f]{1,2}:[0-9a-f]+;", "", client.ask(packet))


def pc(client: Client, thread: str) -> int:
    client.ask(f"Hg{thread}")
    return int.from_bytes(bytes.fromhex(client.ask("p8")), "little")


def step_off(client: Client, thread: str, at: int) -> None:
    """As gdb does: the breakpoint out, a step, the breakpoint in again."""
    client.ask(f"Hg{thread}")
    client.ask(f"z0,{at:x},1")
    assert client.ask(f"vCont;s:{thread}").startswith("T05")
    client.ask(f"Z0,{at:x},1")


def test_back_over_a_stretch_in_which_the_parent_stood_still() -> None:
    client = Client("fork_sample.S")
    machine = client.target.k.machine
    assert client.ask("vCont;c:p2.-1") == FORK
    client.ask("Hgp3.3")
    work, parent = client.label("work"), client.label("parent")
    assert client.ask(f"Z0,{work:x},1") == "OK"
    # The child alone: a run of both would have had the parent first.
    assert client.ask("vCont;c:p3.-1") == "T05swbreak:;thread:p3.3;core:0;"
    first = machine.position
    step_off(client, "p3.3", work)
    client.ask("Hgp2.2")
    assert client.ask(f"Z0,{parent:x},1") == "OK"
    assert client.ask("vCont;c:p2.-1") == "T05swbreak:;thread:p2.2;core:0;"
    second = machine.position
    assert first < second
    # And back the same way.
    assert back(client, "bc") == "T05swbreak:;thread:p3.3;core:0;"
    assert machine.position == first
    assert pc(client, "p3.3") == work
    assert "replaylog:begin" in client.ask("bc")


def test_a_step_back_where_another_thread_stood_still() -> None:
    client = Client("fork_sample.S")
    machine = client.target.k.machine
    assert client.ask("vCont;c:p2.-1") == FORK
    client.ask("Hgp3.3")
    work = client.label("work")
    client.ask(f"Z0,{work:x},1")
    client.ask("vCont;c:p3.-1")
    places = [machine.position]
    client.ask(f"z0,{work:x},1")
    for _ in range(4):
        client.ask("vCont;s:p3.3")
        places.append(machine.position)
    client.ask("Hcp3.3")
    for place in reversed(places[:-1]):
        assert back(client, "bs") == "T05thread:p3.3;core:0;"
        assert machine.position == place


def test_back_to_before_the_birth_of_a_child_that_was_followed() -> None:
    client = Client("fork_sample.S")
    assert client.ask("vCont;c:p2.-1") == FORK
    assert client.ask("D;2") == "OK"
    client.ask("Hgp3.3")
    work = client.label("work")
    client.ask(f"Z0,{work:x},1")
    assert client.ask("vCont;c:p3.-1") == "T05swbreak:;thread:p3.3;core:0;"
    assert back(client, "bc") == "T05replaylog:begin;thread:p2.2;core:0;"
    assert client.ask("Hgp2.2") == "OK"
    assert client.ask("qC") == "QCp2.2"
    assert client.ask("vCont;c") == "W00;process:3"
    assert client.ask("vCont;c:p2.-1") == FORK


def child_that_was_held() -> tuple[Client, bytearray]:
    """The parent alone until it waits, then the child up to `work`; with what the guest writes."""
    client, written = Client("fork_sample.S"), bytearray()
    client.target.close()
    path = Path(__file__).parents[2] / "userland/fork_sample.S"
    spoken = Session(
        path, config=Config(timing="off"), console=lambda _fd, data: written.extend(data)
    )
    client.stub.take(client.stub._make_target(spoken))
    assert client.ask("vCont;c:p2.-1") == FORK
    assert client.ask("vCont;c:p2.-1").startswith("T02")
    assert client.printed.count(b"sleeps for ever") == 1
    client.ask("Hgp3.3")
    client.ask(f"Z0,{client.label('work'):x},1")
    assert client.ask("vCont;c:p3.-1") == "T05swbreak:;thread:p3.3;core:0;"
    assert written == PARENT + CHILD
    return client, written


def test_back_to_before_the_birth_of_the_process_that_is_stepped() -> None:
    client, written = child_that_was_held()
    client.ask("Hcp3.3")
    steps = 0
    while (answer := client.ask("bs")) == "T05thread:p3.3;core:0;":
        steps += 1
    assert steps == 9
    # To where its parent is about to fork; its registers, which the client believes to know, with it.
    assert answer.startswith("T05replaylog:begin;0:02000000;")
    assert answer.endswith("thread:p2.2;core:0;")
    k = client.target.k
    assert bytes.fromhex(client.ask(f"m{k.machine.cpu.eip:x},2")) == b"\xcd\x80"
    assert client.printed.count(b"sleeps for ever") == 1
    assert written == PARENT + CHILD
    # Nothing of it is told to the client, which still has it.
    assert 'id="p3.3" core="0">not born yet<' in client.ask("qXfer:threads:read::0,1000")
    assert client.ask("Hcp2.0") == "OK"
    assert client.ask("bs").endswith("thread:p2.2;core:0;")
    assert client.ask("vCont;s:p3.3;c") == "T05thread:p3.3;core:0;"
    assert client.target.k.current.pid == 3
    assert client.target.processes.unborn == set()


def test_what_is_not_born_yet_may_be_let_go_of_and_never_come() -> None:
    client, _ = child_that_was_held()
    client.ask(f"z0,{client.label('work'):x},1")
    client.ask("bc")
    assert client.target.processes.unborn == {3}
    assert client.ask("D;3") == "OK"
    assert "p3.3" not in client.ask("qXfer:threads:read::0,1000")
    client, _ = child_that_was_held()
    client.ask(f"z0,{client.label('work'):x},1")
    client.ask("bc")
    exits = int.from_bytes(bytes.fromhex(client.ask("p8")), "little")
    client.ask("Hgp2.2")
    client.ask(f"M{exits:x},9:b801000000cd8090f4")  # exit instead of what was
    assert [client.ask("vCont;c") for _ in range(2)] == ["W00;process:2", "W00;process:3"]


def test_an_exit_that_was_not_told_is_no_process_to_kill() -> None:
    client = Client("fork_sample.S")
    assert client.ask("vCont;c") == FORK
    client.target.processes.pending.append(Stop(3, 3, code=0))
    assert client.ask("vKill;3") == "OK"
    assert not client.target.processes.pending


def test_the_thread_to_continue_is_the_clients_to_choose() -> None:
    client, _ = child_that_was_held()
    client.ask(f"z0,{client.label('work'):x},1")
    client.ask("Hcp2.0")
    client.ask("Hgp2.2")
    assert client.ask("vCont;c:p3.-1") == "W00;process:3"  # its exit: neither of the two changes
    assert client.ask("qC") == "QCp2.2"
    assert client.ask("bs").endswith("thread:p2.2;core:0;")


def test_observers_write_each_line_once() -> None:
    def lines(kind: str) -> bytes:
        written = bytearray()
        client = Client("fork_sample.S")
        session = client.target.session
        k = session.kernel
        client.target.close()
        Strace(k, Once(k, written.extend), every_line_has_pid=True)
        CoreDumps(k, lambda _pid, _data: None)
        client.stub.take(client.stub._make_target(session))
        if kind == "straight":
            while not client.ask("vCont;c").startswith(("W", "N")):
                pass
            return bytes(written)
        at = client.label("parent")
        client.ask(f"Z0,{at:x},1")
        assert client.ask("vCont;c") == FORK
        assert client.ask("vCont;c").startswith("T05swbreak")
        for _ in range(3):
            client.ask("bs")
        client.ask("bc")
        while not client.ask("vCont;c").startswith("T05swbreak"):
            pass
        client.ask(f"z0,{at:x},1")
        while not client.ask("vCont;c").startswith(("W", "N")):
            pass
        return bytes(written)

    straight = lines("straight")
    assert straight.count(b"\n") > 5
    assert lines("back") == straight


def test_a_change_by_hand_lets_observers_write_again() -> None:
    written = bytearray()
    path = Path(__file__).parents[2] / "userland/hello.S"
    session = Session(path, config=Config())
    k = session.kernel
    once = Once(k, written.extend)
    start = session.snapshot()
    once(b"one ")
    once(b"two ")
    session.restore(start)
    once(b"one ")
    once.forget_future(4)
    once(b"three ")
    assert bytes(written) == b"one two three "


def test_a_moment_kept_when_a_thread_is_held_has_the_guests_debug_registers() -> None:
    """With a watchpoint's in them, running on from it would trap, and kill the program."""
    client = Client("fork_sample.S")
    assert client.ask("vCont;c:p2.-1") == FORK
    watch = f"{client.label('counter'):x},4"
    client.ask("Hgp3.3")
    client.ask(f"Z2,{watch}")
    assert client.ask("vCont;c:p3.-1").startswith("T05watch")
    client.ask("Hcp3.0")
    assert back(client, "bc").startswith("T05watch")
    assert client.ask("vCont;c:p2.-1") == "T02thread:p2.2;core:0;"  # it waits for the child
    client.ask("Hcp2.0")
    here = pc(client, "p2.2")
    assert back(client, "bs") == "T05thread:p2.2;core:0;"
    assert pc(client, "p2.2") == here - 2  # at the system call
