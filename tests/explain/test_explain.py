"""The machine in words: what `explain` foretells comes true, and what it says is what the machine did."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from emu.microcode import PF, Delivery
from toykernel import Session
from toykernel.collector import Collector
from toykernel.errno import EINVAL
from toykernel.errno import name as errno_name
from toykernel.explain import codes, memory
from toykernel.explain.events import Narrator
from toykernel.explain.fork_path import titles
from toykernel.explain.instruction import fetch_refusal, memory_operands, next_instruction
from toykernel.explain.memory import Decision
from toykernel.explain.path import documented, expand
from toykernel.kernel.clone_flags import CLONE_THREAD, CLONE_VM
from toykernel.look.task import TaskView
from toykernel.observe.events import EventLog
from toykernel.statehash import state_hash
from toykernel.task import Task

USERLAND = Path(__file__).parents[2] / "userland"
#: Programs with every kind of fault among them.
FAULTING = (
    *("cow_copy_reuse", "zero_page", "mmap_file", "deep_stack", "null_write", "write_readonly"),
    *("cow_mmap_split", "shared_memory", "kernel_write", "cow_first_writer"),
)
STEPS = 3000


class Heard(Collector):
    """Traps and dealt-with faults since they were last looked at."""

    def __init__(self, session: Session) -> None:
        self.traps: list[Delivery] = []
        self.kinds: list[tuple[int, str]] = []
        session.kernel.machine.trap_listeners.append(self.on_trap)
        session.kernel.host.trace.fault.append(self.on_fault)

    def on_trap(self, trap: Delivery) -> None:
        self.traps.append(trap)

    def on_fault(
        self, task: Task, kind: str, address: int, old: int | None, new: int | None
    ) -> None:
        self.kinds.append((task.pid, kind))


def at_start(name: str) -> Session:
    session = Session(USERLAND / f"{name}.S")
    session.break_at(session.program_image.entry, temporary=True)
    session.run()
    assert session.hit
    return session


def foretold(session: Session) -> tuple[int, int] | None:
    """(address, error code) of the page fault that the next instruction is said to raise."""
    refused = fetch_refusal(session)
    if refused is not None:
        return refused
    return next((one.refusal for one in memory_operands(session) if one.refusal is not None), None)


@pytest.mark.parametrize("name", FAULTING)
def test_what_is_foretold_of_faults_comes_true(name: str) -> None:
    session = at_start(name)
    heard = Heard(session)
    machine = session.kernel.machine
    expected: tuple[int, Decision] | None = None
    faults = decided = 0
    for _ in range(STEPS):
        refused = foretold(session)
        view = session.current
        if refused is not None and machine.cpu.cpl == 3:
            heard.kinds.clear()
            expected = view.pid, memory.decide(view, *refused, user=True, sp=machine.cpu.esp)
        heard.traps.clear()
        if session.step() is not None:
            break
        raised = [(trap.cr2, trap.error_code) for trap in heard.traps if trap.vector == PF]
        assert [page & -4096 for page, _ in raised] == ([refused[0] & -4096] if refused else [])
        if refused is not None:
            assert raised[0][1] == refused[1]
            faults += 1
        if heard.kinds and expected is not None and heard.kinds[-1][0] == expected[0]:
            assert heard.kinds.pop() == (expected[0], expected[1].kind)
            expected, decided = None, decided + 1
    assert faults
    assert decided


@pytest.mark.parametrize("name", ["fork_sample", "signal_handler"])
def test_looking_changes_nothing(name: str) -> None:
    session, other = at_start(name), at_start(name)
    for _ in range(25):
        assert next_instruction(session)
        session.step()
        other.step()
    assert state_hash(session.kernel) == state_hash(other.kernel)


def sentences(name: str) -> tuple[EventLog, Narrator]:
    session = Session(USERLAND / f"{name}.S")
    log = EventLog(session.kernel, session.images)
    narrator = Narrator(session, log)
    session.run()
    return log, narrator


def of_kind(name: str, kind: str) -> list[str]:
    log, narrator = sentences(name)
    return [
        " ".join(narrator.sentences[number])
        for number, event in log.happened()
        if event.kind == kind
    ]


def test_the_two_writers_of_a_shared_page() -> None:
    copied, reused = of_kind("cow_copy_reuse", "cow")
    path = "Through do_page_fault -> handle_mm_fault -> handle_pte_fault -> do_wp_page"
    assert copied == (
        "pid 3 (cow_copy_reuse) writes shared at 0x0804b000: the entry is present and read-only, error "
        "code 0x7; frame 0x2b has 2 references: copied to 0x30, 1 reference left. "
        f"{path} (fork-path K5: a write copies a shared page)."
    )
    assert reused == (
        "pid 2 (cow_copy_reuse) writes shared at 0x0804b000: the entry is present and read-only, error "
        "code 0x7; frame 0x2b has 1 reference: nobody else's, the entry is writable again. "
        f"{path} (fork-path K6: the last user just writes)."
    )


def test_the_kernel_writes_for_the_program() -> None:
    found = of_kind("cow_by_kernel", "cow")
    assert found[0].startswith("the kernel writes ")
    assert " for pid " in found[0]
    assert "fault_in_user" in found[0]
    assert found[0].endswith(
        "(fork-path K8: the kernel's own writes copy, too; K5: a write copies a shared page)."
    )


def test_fork_names_its_steps_as_the_table_does() -> None:
    (_init, told) = of_kind("fork_sample", "fork")
    table = Path(__file__).parents[2] / "docs" / "fork-path.toml"
    rows = tomllib.loads(table.read_text())
    for number in range(4, 18):
        assert f"D{number}: {rows[f'D{number}']['title']} (" in told
    assert "; D6: max_threads, from RAM (check_max_threads); " in told
    assert titles() == {number: row["title"] for number, row in rows.items()}


def test_the_zero_page_and_a_forbidden_write() -> None:
    first, second = of_kind("zero_page", "fault")[:1], of_kind("write_readonly", "fault")[-1:]
    assert "(fork-path K9: the zero page)" in " ".join(of_kind("zero_page", "fault")), first
    assert second[0].endswith(
        "error code 0x7; its area 0x0804a000-0x0804b000 r--p of program forbids it: SIGSEGV. "
        "Through do_page_fault (fork-path K7: forbidden writes are SIGSEGV)."
    )


def test_every_event_has_its_sentences_also_after_going_back() -> None:
    session = Session(USERLAND / "signal_fork.S")
    log = EventLog(session.kernel, session.images)
    narrator = Narrator(session, log)
    start = session.snapshot()
    session.run()
    told = dict(narrator.sentences)
    assert list(told) == list(range(log.count))
    assert all(told.values())
    session.restore(start)
    narrator.sentences.clear()
    session.run()
    assert narrator.sentences == told


def test_a_page_that_may_not_be_written() -> None:
    session = at_start("cow_copy_reuse")
    lines = memory.page(session.current, session.images, 0x08049000)
    assert lines[0].startswith("_start at 0x08049000")
    assert "forbids writes" in lines[2]
    assert lines[3] == "A read by the program just happens."
    assert "error code 0x7" in lines[4]
    assert "SEGV_ACCERR" in lines[4]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0x0300, "exited with status 3 (WIFEXITED"),
        (0x008B, "killed by SIGSEGV (11) (WIFSIGNALED, bits 0 to 6), with a core dump"),
        (0x0009, "killed by SIGKILL (9) (WIFSIGNALED, bits 0 to 6), without a core dump"),
        (0x137F, "stopped by SIGSTOP (19) (WIFSTOPPED"),
        (0xFFFF, "goes on (WIFCONTINUED)"),
    ],
)
def test_wait_statuses(status: int, said: str) -> None:
    assert said in codes.wait_status(status)[0]


def test_error_codes_and_numbers() -> None:
    assert codes.error_code(6, PF) == [
        "Error code 0x6 of a page fault (#PF): P=0: no page was there; W=1: a write; U=1: from ring 3."
    ]
    assert codes.error_code(0x402, 13) == ["Of #TS, #NP, #SS or #GP: IDT entry 0x80."]
    assert "returns -2, 0xfffffffe" in codes.errno(-2)[0]
    assert "no program sees it" in codes.errno(512)[0]
    assert codes.errno(4000) == ["4000 is no error number of i386 Linux."]


def test_clone_flags_that_are_refused() -> None:
    k = at_start("fork_sample").kernel
    assert codes.clone_flags(k, CLONE_VM | 17)[-1] == "copy_process takes the set."
    refused = codes.clone_flags(k, CLONE_THREAD)[-1]
    assert refused.startswith(
        f"copy_process refuses the set with {errno_name(EINVAL)}: threads share"
    )


def test_numbers_of_the_fork_path() -> None:
    assert documented("Fork's share of one area (fork-path K1-K3).") == ("K1", "K2", "K3")
    assert expand("D18, D19 and F1-F2") == ("D18", "D19", "F1", "F2")


def test_a_task_that_sleeps_has_its_directory() -> None:
    session = at_start("cow_copy_reuse")
    session.break_at("copy")
    session.run()
    parent = TaskView(session.kernel, session.kernel.current.real_parent)
    assert "pid 2 (cow_copy_reuse) sees it" in memory.page(parent, session.images, 0x0804B000)[0]
