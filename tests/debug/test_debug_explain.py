"""`explain`: what the prompt prints."""

from __future__ import annotations

import pytest
from debug_tools import USERLAND, Terminal

from toykernel.statehash import state_hash


@pytest.fixture(scope="module")
def at_the_copy() -> Terminal:
    terminal = Terminal(USERLAND / "cow_copy_reuse.S")
    for line in ("break copy", "c"):
        terminal.do(line)
    return terminal


def text(terminal: Terminal, line: str) -> str:
    """What a command prints, as one line."""
    return " ".join(" ".join(terminal.do(line)).split())


def test_the_next_instruction(at_the_copy: Terminal) -> None:
    before = state_hash(at_the_copy.session.kernel)
    assert text(at_the_copy, "explain") == (
        "pid 3 (cow_copy_reuse), ring 3, child at 0x08049069, cow_copy_reuse.S:40: movl $2, 0x804b000 # "
        "shared It writes 4 bytes, shared at 0x0804b000, now 0x1. Page walk of 0x0804b000: directory at "
        "0x00021000, entry 0x20 at 0x00021080 is 0x0002e027 (present, writable, user, accessed); table "
        "entry 0x4b at 0x0002e12c is 0x0002b045 (present, read-only, user, not accessed, dirty): physical "
        "0x0002b000, frame 0x2b. The CPU delivers #PF, error code 0x7 (protection, write, user), cr2 "
        "0x0804b000. Error code 0x7 of a page fault (#PF): P=1: the entry was present and forbade the "
        "access; W=1: a write; U=1: from ring 3. Gate 0xe of the IDT (DPL 0) leads to page_fault; ring 3 "
        "-> ring 0, the stack of the TSS, esp 0xc0025fe0 with the frame on it; the frame goes back to eip "
        "0x08049069. A write from ring 3 at 0x0804b000: the entry is present and read-only. Read-only: its "
        "area 0x0804b000-0x0804c000 rw-p of program is private and may be written, but others use the "
        "frame: frame 0x2b has 2 references (pid 2 at 0x0804b000, pid 3 at 0x0804b000). The kernel's "
        "answer, by do_wp_page: frame 0x2b has 2 references (pid 2 at 0x0804b000, pid 3 at 0x0804b000): "
        "0x2b is copied, pid 3 gets the copy with the write bit, and 1 reference will be left."
    )
    assert state_hash(at_the_copy.session.kernel) == before


def test_a_page_by_its_name(at_the_copy: Terminal) -> None:
    assert text(at_the_copy, "explain shared").endswith(
        "A write by the program raises #PF with error code 0x7, and frame 0x2b has 2 references (pid 2 at "
        "0x0804b000, pid 3 at 0x0804b000): 0x2b is copied, pid 3 gets the copy with the write bit, and 1 "
        "reference will be left."
    )


def test_a_system_call_and_the_gate() -> None:
    terminal = Terminal()
    terminal.do("si 2")
    said = text(terminal, "explain")
    assert said.endswith("the frame goes back to eip 0x08049011. System call 2, fork().")
    terminal.do("break kernel:sys_fork")
    terminal.do("c")
    while "outl" not in terminal.debugger.instruction(terminal.debugger.location().eip).text:  # type: ignore[union-attr]
        terminal.do("si")
    assert text(terminal, "explain").endswith(
        "It is the gate: the kernel's sys_fork runs, in Python."
    )


def test_a_task_that_is_not_on_the_cpu(at_the_copy: Terminal) -> None:
    at_the_copy.do("task 2")
    said = text(at_the_copy, "explain")
    assert "pid 2 (cow_copy_reuse) is not on the CPU: in waitpid" in said or "waitpid" in said
    assert "goes on in the kernel at sys_waitpid+2" in said
    at_the_copy.do("task 3")


def test_an_event_while_the_session_stays_where_it_is() -> None:
    terminal = Terminal(USERLAND / "cow_copy_reuse.S")
    terminal.do("c")
    rows = [line.split() for line in terminal.do("events 99")]
    copy = next(row[0] for row in rows if "cow_copied" in row)
    last = int(rows[-1][0])
    before = state_hash(terminal.session.kernel)
    assert text(terminal, f"explain event {copy}") == (
        "pid 3 (cow_copy_reuse) writes shared at 0x0804b000: the entry is present and read-only, error "
        "code 0x7; frame 0x2b has 2 references: copied to 0x30, 1 reference left. Through do_page_fault -> "
        "handle_mm_fault -> handle_pte_fault -> do_wp_page (fork-path K5: a write copies a shared "
        "page)."
    )
    for number in (0, 1, 10, last):
        assert terminal.do(f"explain event {number}")
    assert state_hash(terminal.session.kernel) == before
    assert terminal.refused(f"explain event {last + 1}") == (
        f"no event {last + 1}; there are 0 to {last}"
    )
    assert "is not an event's number" in terminal.refused("explain event x")


def test_numbers(at_the_copy: Terminal) -> None:
    assert "SIGSEGV (11)" in text(at_the_copy, "explain status 139")
    assert text(at_the_copy, "explain errno -11").startswith("EAGAIN is error number 11")
    assert text(at_the_copy, "explain errno enoent").startswith("ENOENT is error number 2")
    assert "CLONE_VM: the memory is shared" in text(at_the_copy, "explain flags 0x111")
    assert text(at_the_copy, "explain $eflags").startswith("EFLAGS 0x")
    assert "W=1: a write" in text(at_the_copy, "explain error 7")
    assert 'no symbol "nonsense"' in at_the_copy.refused("explain nonsense")
