"""Breakpoints through the Python API: where they stop, for whom, and that the guest cannot tell."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from toykernel import BreakpointError, Session, SymbolError

USERLAND = Path(__file__).parents[2] / "userland"
SAMPLE = USERLAND / "fork_sample.S"
LIMIT = 300_000  # cycles: far more than any program here takes


def state(session: Session) -> tuple[object, ...]:
    """What must not depend on how a run was watched."""
    k = session.kernel
    image = hashlib.sha256()
    for frame, data in k.machine.ram.image().items():
        image.update(frame.to_bytes(4, "little") + data)
    registers = tuple(k.machine.cpu.general_registers().items())
    return (
        *(session.stdout, session.stderr, session.stats.program_status, k.machine.clock.cycles),
        *(k.machine.clock.instructions, registers, image.hexdigest()),
    )


def plain(path: Path) -> tuple[object, ...]:
    session = Session(path)
    assert session.run(LIMIT).kind == "finished"
    return state(session)


@pytest.mark.parametrize("name", ["fork_sample", "fork_tree", "cow_copy_reuse", "tf_single_step"])
def test_the_guest_does_not_notice(name: str) -> None:
    path = USERLAND / f"{name}.S"
    session = Session(path)
    for where in ("_start", "fork", "cow", "syscall write", "trap #PF", "kernel:syscall_exit"):
        session.break_at(where)
    stops = 0
    while (outcome := session.run(LIMIT)).kind == "breakpoint":
        stops += 1
        for view in session.tasks:
            _ = view.pt_regs if view.pid else None
            list(view.page_table())
        if stops % 3 == 0:
            for _ in range(7):
                session.step()
    assert outcome.kind == "finished"
    assert stops > 5
    assert state(session) == plain(path)


def test_a_label_of_the_program_is_not_inits() -> None:
    session = Session(SAMPLE)
    address = session.images.program.labels["_start"]
    assert address == session.images.init.labels["_start"]  # the same place, another program
    session.break_at("_start")
    session.run(LIMIT)
    assert (session.current.pid, session.current.comm) == (2, "fork_sample")

    session = Session(SAMPLE)
    session.break_at("init:_start")
    session.run(LIMIT)
    assert (session.current.pid, session.current.comm) == (1, "init")

    session = Session(SAMPLE)
    session.break_at(address)
    pids = []
    while session.run(LIMIT).kind == "breakpoint":
        pids.append(session.current.pid)
    assert pids == [1, 2]


def test_an_instruction_that_faults_stops_once(tmp_path: Path) -> None:
    path = tmp_path / "p.S"
    path.write_text(
        ".globl _start\n_start: movl $3, %ecx\nagain: movl $1, variable(,%ecx,4)\nloop again\n"
        "movl $1, %eax\nint $0x80\n.bss\n.skip 12288\nvariable: .skip 64\n"
    )
    session = Session(path)
    point = session.break_at("again")
    counts = []
    while session.run(LIMIT).kind == "breakpoint":
        counts.append(session.current.regs["ecx"])
    assert counts == [3, 2, 1]  # the first of them page-faults, and is executed again
    assert point.hits == 3
    assert [f.kind for f in session.faults if f.pid == 2] == ["not_present"]


def test_an_interrupted_instruction_stops_once() -> None:
    session = Session(USERLAND / "infinite_loop.S")
    session.break_at("_start")
    session.run(LIMIT)
    machine = session.kernel.machine
    taken: list[tuple[int, int]] = []
    machine.trap_listeners.append(lambda trap: taken.append((trap.vector, trap.eip)))
    machine.timer.tick(machine.clock.cycles)  # the line is up now: before the next instruction
    assert session.run(machine.clock.cycles + 3000).kind == "limit"
    assert taken[0] == (0x20, session.address("_start"))


def test_cow_tells_frames_and_counts() -> None:
    session = Session(SAMPLE)
    session.break_at("cow")
    records = []
    while session.run(LIMIT).kind == "breakpoint":
        records.append(session.hit[0].record)
        assert session.images.kernel.symbol_at(session.current.cpu_regs["eip"]) == "do_page_fault+2"
    first, second = records
    counter = session.address("counter")
    assert (first.kind, first.address, first.error_code) == ("cow_copied", counter, 7)  # K5
    assert first.new_frame != first.old_frame
    assert (first.old_count, first.new_count) == (1, 1)
    assert (second.kind, second.address) == ("cow_reused", counter)  # K6
    assert second.new_frame == second.old_frame == first.old_frame
    assert second.old_count == 1
    assert {first.pid, second.pid} == {2, 3}


def test_cow_by_the_kernel_names_the_system_call() -> None:
    session = Session(USERLAND / "cow_by_kernel.S")
    session.break_at("cow")
    seen = []
    while session.run(LIMIT).kind == "breakpoint":
        record = session.hit[0].record
        seen.append((record.error_code, record.syscall))
    assert (None, 7) in seen  # K8: waitpid stores the status


def test_fork_counts_shared_frames() -> None:
    session = Session(SAMPLE)
    session.break_at("_start", temporary=True)
    session.run(LIMIT)
    assert session.breakpoints == []
    session.break_at("fork")
    session.run(LIMIT)
    record = session.hit[0].record
    assert (record.parent, record.child) == (2, 3)
    assert record.shared_frames == len(list(session.task(2).page_table()))
    for page in session.task(2).page_table():  # K2
        other = session.walk(3, page.linear)
        assert other.physical == page.physical
        assert not other.writable
        assert not page.writable


def test_system_calls_by_name_number_and_all() -> None:
    session = Session(USERLAND / "enosys.S")
    session.break_at("_start")
    session.run(LIMIT)
    session.break_at("syscall 9999")
    session.run(LIMIT)
    assert session.current.cpu_regs["eax"] == 9999
    assert session.current.cpu_regs["eip"] == session.address("kernel:system_call")
    session.delete(2)
    session.break_at("syscall")
    calls = 0
    while session.run(LIMIT).kind == "breakpoint":
        calls += 1
    assert calls > 3


def test_lines_labels_and_macro_uses() -> None:
    session = Session(SAMPLE)
    text = SAMPLE.read_text().splitlines()
    use = text.index("    sys_fork") + 1
    point = session.break_at(f"fork_sample.S:{use}")
    session.run(LIMIT)
    place = session.images.place_at(session.current.task, session.current.cpu_regs["eip"])
    assert place is not None
    assert (place.name, place.text) == (f"fork_sample.S:{use}", "sys_fork")
    assert place.inner is not None
    assert place.inner.text == "movl $__NR_fork, %eax"
    comment = next(n for n, line in enumerate(text, 1) if line.startswith("# Idea"))
    assert session.break_at(str(comment)).addresses == session.break_at("_start").addresses
    assert len(session.break_at("linux.inc:86").addresses) == 1
    assert point.what == f"fork_sample.S:{use}"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("chidl", "did you mean child"),
        ("counter", "is data, not code"),
        ("SIGKILL", "is a constant"),
        ("nowhere.S:3", "no source file nowhere.S; there are: fork_sample.S"),
        ("fork_sample.S:99999", "no code at or after line 99999"),
        ("", "needs a place"),
        ("trap 256", "not a vector"),
        ("trap", "not a vector"),
        ("syscall forty", "not a system call"),
        (1 << 32, "not an address of 32 bits"),
        (-1, "not an address of 32 bits"),
    ],
)
def test_what_cannot_be_broken_at(where: str | int, message: str) -> None:
    session = Session(SAMPLE)
    with pytest.raises((SymbolError, BreakpointError), match=message):
        session.break_at(where)
    assert session.breakpoints == []
    with pytest.raises(BreakpointError, match="no breakpoint number 1"):
        session.delete(1)


def test_names_that_two_images_have() -> None:
    session = Session(SAMPLE)
    assert session.address("_start") == session.images.program.labels["_start"]
    assert session.address("kernel:schedule") == session.images.kernel.labels["schedule"]
    with pytest.raises(SymbolError):
        session.address("init:counter")


def test_an_elf_has_its_symbols_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "sample"
    path.write_bytes(Session(SAMPLE).elf)
    session = Session(path)
    session.break_at("child")
    session.run(LIMIT)
    assert session.current.pid == 3
    place = session.images.place_at(session.current.task, session.current.cpu_regs["eip"])
    assert place is not None
    assert Path(place.file).name in ("fork_sample.S", "linux.inc")
