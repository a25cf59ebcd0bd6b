"""Into the kernel and out again, one instruction at a time, with nothing but the Python API.

Numbers are those of the requirements for the fork path.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from toykernel import Session, TaskView

KERNEL_CS, KERNEL_DS, USER_CS, USER_DS = 0x60, 0x68, 0x73, 0x7B  # arch/x86 segment.h of Linux
IF, TF, FIXED = 0x200, 0x100, 0x2
THREAD_SIZE = 8192
LIMIT = 300_000  # cycles: far more than any program here takes
#: struct pt_regs, in the order of its addresses.
PT_REGS = ["bx", "cx", "dx", "si", "di", "bp", "ax", "ds", "es", "fs", "gs", "orig_ax", "ip", "cs"]
PT_REGS += ["flags", "sp", "ss"]

FORK = """
.text
.globl _start
_start:
    movl $0xb0b0b0b0, %ebx
    movl $0xc0c0c0c0, %ecx
    movl $0xd0d0d0d0, %edx
    movl $0x51515151, %esi
    movl $0xd1d1d1d1, %edi
    movl $0xbebebebe, %ebp
    movl $2, %eax
the_call:
    int $0x80
after:
    testl %eax, %eax
    jz child
parent:
    movl $-1, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    movl $7, %eax
    int $0x80
    xorl %ebx, %ebx
    movl $1, %eax
    int $0x80
child:
    movl $3, %ebx
    movl $1, %eax
    int $0x80
"""

Make = Callable[[str], Session]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A session of a program's text."""

    def session(text: str) -> Session:
        path = tmp_path / "program.S"
        path.write_text(text)
        return Session(path)

    return session


def at(session: Session, label: str) -> Session:
    """Run to a label of the program."""
    point = session.break_at(label)
    assert session.run(LIMIT).kind == "breakpoint"
    session.delete(point.number)
    return session


def kernel_word(session: Session, address: int) -> int:
    """A word of the kernel's linear map, straight from RAM."""
    return session.kernel.machine.ram.read32(address - 0xC0000000)


def eip(session: Session) -> str | None:
    """The label at EIP, with offset."""
    task = session.kernel.current
    return session.images.symbol_at(task, session.current.cpu_regs["eip"])


def step_to_pid(session: Session, pid: int) -> None:
    """Step until the CPU runs a task."""
    for _ in range(2000):
        if session.current.pid == pid:
            return
        assert session.step() is None
    raise AssertionError(f"pid {pid} does not run")


def esp0(session: Session) -> tuple[int, int]:
    """esp0 and ss0 of the TSS in guest RAM (Intel SDM vol. 3, figure 7-2: at 4 and 8)."""
    ram, tss = session.kernel.machine.ram, session.kernel.arch.tss
    return ram.read32(tss + 4), ram.read32(tss + 8)


def stack_top(view: TaskView) -> int:
    return view.task.stack + THREAD_SIZE - 8


def test_the_gate_of_int_0x80_is_a_trap_gate_for_ring_3(make: Make) -> None:  # A1
    session = make(FORK)
    low, high = struct.unpack(
        "<II", session.kernel.machine.ram.read(session.kernel.arch.idt + 0x400, 8)
    )
    assert high >> 8 & 0x1F == 0xF  # 32-bit trap gate
    assert high >> 13 & 3 == 3
    assert high & 1 << 15
    assert low >> 16 == KERNEL_CS
    assert low & 0xFFFF | high & 0xFFFF0000 == session.address("kernel:system_call")


def test_int_0x80_pushes_the_five_words_on_the_stack_that_the_tss_names(make: Make) -> None:  # A1
    session = at(make(FORK), "the_call")
    before = session.current.cpu_regs
    view = session.current
    assert view.in_user_mode
    assert esp0(session) == (stack_top(view), KERNEL_DS)

    assert session.step() is None

    now = session.current.cpu_regs
    assert eip(session) == "system_call"
    assert session.kernel.machine.cpu.cpl == 0
    assert now["cs"] == KERNEL_CS
    assert now["ss"] == KERNEL_DS
    assert now["esp"] == stack_top(view) - 20
    assert now["eflags"] & IF  # a trap gate keeps it
    frame = [kernel_word(session, now["esp"] + 4 * n) for n in range(5)]
    assert frame == [
        session.address("after"), USER_CS, before["eflags"], before["esp"], USER_DS,
    ]  # fmt: skip
    general = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp")
    assert {name: now[name] for name in general} == {name: before[name] for name in general}


def test_save_all_builds_pt_regs_word_by_word_on_the_tasks_own_stack(make: Make) -> None:  # A2
    session = at(make(FORK), "the_call")
    user = session.current.cpu_regs
    view = session.current
    session.step()
    pushes = []
    while eip(session) != "syscall_call":
        esp = session.current.cpu_regs["esp"]
        session.step()
        now = session.current.cpu_regs["esp"]
        if now != esp:
            assert now == esp - 4
            pushes.append(kernel_word(session, now))
    expected = [user["eax"]]  # orig_eax
    expected += [user[name] for name in ("gs", "fs", "es", "ds")]
    expected += [user[name] for name in ("eax", "ebp", "edi", "esi", "edx", "ecx", "ebx")]
    assert pushes == expected

    esp = session.current.cpu_regs["esp"]
    assert esp == stack_top(view) - 4 * 17
    assert view.task.stack % THREAD_SIZE == 0
    assert view.task.stack <= esp < view.task.stack + THREAD_SIZE
    words = {name: kernel_word(session, esp + 4 * n) for n, name in enumerate(PT_REGS)}
    assert words == view.pt_regs
    assert words == {
        "bx": 0xB0B0B0B0, "cx": 0xC0C0C0C0, "dx": 0xD0D0D0D0, "si": 0x51515151,
        "di": 0xD1D1D1D1, "bp": 0xBEBEBEBE, "ax": 2, "ds": USER_DS, "es": USER_DS,
        "fs": 0, "gs": 0, "orig_ax": 2, "ip": session.address("after"), "cs": USER_CS,
        "flags": user["eflags"], "sp": user["esp"], "ss": USER_DS,
    }  # fmt: skip
    assert session.current.cpu_regs["ds"] == session.current.cpu_regs["es"] == USER_DS
    assert view.regs == {**user, "eip": session.address("after")}


def path_of_call(session: Session) -> list[str]:
    """Labels that a system call passes, from its `int` back to user mode."""
    seen: list[str] = []
    pid = session.current.pid
    session.step()
    for _ in range(300):
        if session.current.pid == pid and session.current.in_user_mode:
            return seen
        name = eip(session)
        if name is not None and "+" not in name:
            seen.append(name)
        assert session.step() is None
    raise AssertionError(f"no way back: {seen}")


def test_the_call_goes_through_the_table_in_guest_ram(make: Make) -> None:  # A3
    session = at(make(FORK), "the_call")
    table = session.address("kernel:sys_call_table")
    assert kernel_word(session, table + 4 * 2) == session.address("kernel:ptregs_fork")
    user = session.current.cpu_regs
    seen = path_of_call(session)
    stations = ["system_call", "syscall_call", "ptregs_fork", "sys_fork", "syscall_done"]
    stations += ["syscall_exit", "restore_all"]
    assert [name for name in seen if name in stations] == stations
    back = session.current.cpu_regs
    assert eip(session) == "after"
    changed = {name for name in user if user[name] != back[name]}
    assert changed == {"eax", "eip"}
    assert back["eax"] == session.kernel.processes.tasks[-1].pid == 3  # B2: the child's pid


@pytest.mark.parametrize("number", [0x7FFF, 500, 0x80000000, 0xFFFFFFFF])
def test_a_number_outside_the_table_is_enosys(make: Make, number: int) -> None:  # A3
    session = at(make(FORK), "the_call")
    session.kernel.machine.cpu.eax = number
    seen = path_of_call(session)
    assert "syscall_badsys" in seen
    assert "syscall_call" not in seen
    assert session.current.cpu_regs["eax"] == -38 & 0xFFFFFFFF


def test_the_work_flags_send_the_call_to_the_scheduler(make: Make) -> None:  # A4
    getpid = FORK.replace("movl $2, %eax", "movl $20, %eax")
    session = at(make(getpid), "the_call")
    assert "work_pending" not in path_of_call(session)

    session = at(make(getpid), "the_call")
    stack = session.current.task.stack
    flags = stack + 8  # thread_info.flags
    session.kernel.machine.ram.write32(flags - 0xC0000000, 1 << 3)  # TIF_NEED_RESCHED
    seen = path_of_call(session)
    assert seen.index("work_resched") < seen.index("schedule") < seen.index("resume_userspace")
    assert kernel_word(session, flags) == 0


def test_the_trap_clears_tf_and_the_handler_is_not_trapped(make: Make) -> None:  # A1
    session = at(make(FORK.replace("movl $2, %eax", "movl $20, %eax")), "the_call")
    session.kernel.machine.cpu.eflags |= TF
    session.step()
    assert eip(session) == "system_call"
    assert not session.current.cpu_regs["eflags"] & TF
    assert kernel_word(session, session.current.cpu_regs["esp"] + 8) & TF  # saved for later
    session.step()
    assert eip(session) == "system_call+1"  # and no #DB on the way


def test_a_page_fault_pushes_an_error_code_and_builds_the_same_frame(make: Make) -> None:  # A5
    text = """
.globl _start
_start:
    movl $0x1234, %eax
touch:
    movl %eax, variable
    hlt
.bss
    .skip 8192
variable:
    .long 0
"""
    session = at(make(text), "touch")
    user = session.current.cpu_regs
    view = session.current
    session.step()
    assert eip(session) == "page_fault"
    assert session.current.cpu_regs["esp"] == stack_top(view) - 24
    frame = [kernel_word(session, session.current.cpu_regs["esp"] + 4 * n) for n in range(6)]
    rf = 1 << 16  # SDM vol. 3, 17.3.1.1: set in the image that a fault pushes
    assert frame == [
        6, session.address("touch"), USER_CS, user["eflags"] | rf, user["esp"], USER_DS,
    ]  # fmt: skip
    assert session.kernel.machine.cpu.cr2 == session.address("variable")
    while eip(session) != "do_page_fault":
        session.step()
    words = view.pt_regs
    assert words["orig_ax"] == 0xFFFFFFFF  # no system call to restart
    assert (words["ax"], words["ip"]) == (0x1234, session.address("touch"))
    assert session.current.cpu_regs["eax"] == stack_top(view) - 4 * 17  # the handler's pt_regs
    assert session.current.cpu_regs["edx"] == 6  # and its error code


def test_an_interrupt_in_ring_0_switches_no_stack(make: Make) -> None:  # A5
    session = at(make(FORK), "the_call")
    session.step()
    before = session.current.cpu_regs
    session.kernel.machine.timer.write(0x44, 4, 1)  # the next tick: in one cycle
    session.step()  # an instruction
    inside = session.current.cpu_regs
    session.step()  # the interrupt
    now = session.current.cpu_regs
    assert eip(session) == "irq0"
    assert now["esp"] == inside["esp"] - 12  # eip cs eflags, no esp, no ss
    frame = [kernel_word(session, now["esp"] + 4 * n) for n in range(3)]
    assert frame == [inside["eip"], KERNEL_CS, inside["eflags"]]
    assert not now["eflags"] & IF  # an interrupt gate
    assert now["ss"] == before["ss"]
    seen = set()
    for _ in range(100):
        if session.current.cpu_regs["eip"] == inside["eip"]:
            break
        seen.add(eip(session))
        session.step()
    assert session.current.cpu_regs == inside
    assert "do_IRQ" in seen
    assert "resume_userspace" not in seen  # back to ring 0: no work is done


@pytest.mark.parametrize("vector", [14, 13, 8, 0x20, 0x81])
def test_int_through_a_gate_of_ring_0_is_a_gp_fault(make: Make, vector: int) -> None:  # A1
    session = make(f".globl _start\n_start: nop\ntry: int ${vector}\n")
    at(session, "try")
    view = session.current
    session.step()
    assert eip(session) == "general_protection"
    esp = session.current.cpu_regs["esp"]
    assert esp == stack_top(view) - 24
    assert kernel_word(session, esp) == 8 * vector + 2
    assert kernel_word(session, esp + 4) == session.address("try")  # the instruction's own
    session.run(LIMIT)
    assert session.stats.program_status == 11  # A6: SIGSEGV


def test_copy_thread_builds_the_childs_stack(make: Make) -> None:  # H1, H2
    session = at(make(FORK), "the_call")
    parent = session.current
    session.break_at("fork")
    session.run(LIMIT)
    record = session.hit[0].record
    assert record is not None
    child = session.task(3)
    assert child.ppid == parent.pid == 2
    mine, its = parent.pt_regs, child.pt_regs
    assert {name for name in mine if mine[name] != its[name]} == {"ax"}
    assert its["ax"] == 0
    assert child.task.stack != parent.task.stack
    assert child.task.stack % THREAD_SIZE == 0
    assert child.task.thread.sp == stack_top(child) - 4 * 17
    assert child.task.thread.sp0 == stack_top(child)
    assert child.task.thread.ip == session.address("kernel:ret_from_fork")


def test_the_childs_first_instruction_is_ret_from_fork(make: Make) -> None:  # H4, H5
    session = at(make(FORK), "the_call")
    parent_user = session.current.cpu_regs
    step_to_pid(session, 3)
    child = session.current
    now = child.cpu_regs
    assert eip(session) == "ret_from_fork"
    assert now["esp"] == stack_top(child) - 4 * 17
    assert session.kernel.machine.cpu.cpl == 0
    # H5: esp0, CR3 and the parent's place in the kernel
    assert esp0(session) == (stack_top(child), KERNEL_DS)
    assert session.kernel.machine.cpu.cr3 == child.directory != session.task(2).directory
    parent = session.task(2).cpu_regs
    assert session.images.kernel.symbol_at(parent["eip"]) == "sys_waitpid+2"
    assert session.task(2).task.stack < parent["esp"] < session.task(2).task.thread.sp0

    texts = []
    while not session.current.in_user_mode:
        entry = session.images.kernel.entry_at(session.current.cpu_regs["eip"])
        assert entry is not None
        texts.append(" ".join(entry.text.split()))
        assert session.current.pid == 3
        assert session.step() is None
    assert texts == [
        *("pushl %eax", "call schedule_tail", "outl %eax, $GATE_PORT", "ret", "addl $4, %esp"),
        *("pushl $0x0202", "popfl", "jmp syscall_exit"),
        *("cli", "movl $-THREAD_SIZE, %ebp", "andl %esp, %ebp"),
        *("testl $_TIF_WORK_MASK, TI_flags(%ebp)", "jnz work_pending"),
        *(f"popl %{name}" for name in ("ebx", "ecx", "edx", "esi", "edi", "ebp", "eax")),
        *(f"popl %{name}" for name in ("ds", "es", "fs", "gs")),
        *("addl $4, %esp", "iret"),
    ]
    user = session.current.cpu_regs
    assert eip(session) == "after"
    assert {name for name in user if user[name] != parent_user[name]} == {"eax", "eip"}
    assert user["eax"] == 0  # B2


def test_a_single_stepped_parent_has_a_child_without_tf(make: Make) -> None:  # D14
    session = at(make(FORK), "the_call")
    session.kernel.machine.cpu.eflags |= TF
    session.break_at("fork")
    session.run(LIMIT)
    assert session.task(2).pt_regs["flags"] & TF
    assert not session.task(3).pt_regs["flags"] & TF


def test_the_child_gets_the_fpu_registers(make: Make) -> None:  # H3
    text = """
.globl _start
_start:
    fldpi
    movl $2, %eax
    int $0x80
    testl %eax, %eax
    jnz parent
    fstpt number
child_done:
    movl $1, %eax
    int $0x80
parent:
    fldz
    movl $-1, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    movl $7, %eax
    int $0x80
    fstp %st(0)
    fstpt number
parent_done:
    movl $1, %eax
    int $0x80
.bss
number: .skip 12
"""
    session = at(make(text), "child_done")
    pi = bytes.fromhex("35c26821a2da0fc90040")  # 3.14159265358979323851 in extended precision
    assert session.read(session.current.pid, session.address("number"), 10) == pi
    at(session, "parent_done")
    assert session.current.pid == 2
    assert session.read(2, session.address("number"), 10) == pi


def test_both_returns_of_fork_and_the_end(make: Make) -> None:  # B2
    session = make(FORK)
    point = session.break_at("after")
    seen = {}
    while session.run(LIMIT).kind == "breakpoint":
        seen[session.current.pid] = session.current.cpu_regs["eax"]
    assert seen == {2: 3, 3: 0}
    assert point.hits == 2
    assert session.report()["forks"]["fork"] == 1
