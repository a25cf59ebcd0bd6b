"""Each command of the debugger, against what is known of the machine from elsewhere."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from debug_tools import SAMPLE, USERLAND, Terminal

from toykernel.debug.commands import COMMANDS, GROUPS
from toykernel.debug.commands.help import paragraphs
from toykernel.debug.commands.info import TOPICS

INT = "int    $0x80"


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_it_starts_at_the_programs_first_instruction(terminal: Terminal) -> None:
    location = terminal.debugger.location()
    assert (location.pid, location.comm, location.ring) == (2, "fork_sample", 3)
    assert location.symbol == "_start"
    assert terminal.debugger.stops.all == {}


def test_a_step_shows_task_ring_source_and_instruction(terminal: Terminal) -> None:
    lines = terminal.do("si")
    assert lines == [
        "pid 2 (fork_sample), ring 3  fork_sample.S:24  sys_fork"
        "    [linux.inc:85: movl $__NR_fork, %eax]",
        "=> 0x0804900a <_start+10>:\tmovl   $2, %eax",
    ]


def test_stepping_goes_through_the_trap(terminal: Terminal) -> None:
    terminal.do("stepi 2")
    lines = terminal.do("stepi")
    assert lines[0] == "  trap: int 0x80 (system call); ring 3 -> ring 0, stack of the TSS"
    assert re.match(r"pid 2 \(fork_sample\), ring 0  entry.S:\d+  pushl %eax", lines[1])
    assert "<system_call>:\tpushl  %eax" in lines[2]
    gate = None
    for _ in range(60):
        lines = terminal.do("si")
        if any("sys_fork" in line and "gate" in line for line in lines):
            gate = lines
            break
    assert gate is not None
    assert "  fork: pid 2 has the child 3" in gate
    assert "  gate: Python ran sys_fork = 3" in gate
    assert terminal.debugger.location().symbol == "sys_fork+2"


def test_a_switch_is_announced(terminal: Terminal) -> None:
    for _ in range(400):
        lines = terminal.do("si")
        if any(line.startswith("  switch:") for line in lines):
            break
    switch = next(line for line in lines if line.startswith("  switch:"))
    assert switch == (
        "  switch: from pid 2 (fork_sample), which sleeps in wait4 for child 3, "
        "to pid 3 (fork_sample)"
    )
    assert "  gate: Python ran sys_waitpid" in lines
    assert "<ret_from_fork>" in lines[-1]  # H4


def test_an_empty_line_repeats_steps_and_memory(terminal: Terminal) -> None:
    terminal.repl.script(["si", "", ""], repeat=True)
    assert terminal.debugger.location().symbol == "system_call"
    terminal.output.clear()
    terminal.repl.script(["x/2wx parent_line", ""], repeat=True)
    text = [line for line in terminal.output if not line.startswith("(toykernel)")]
    assert [line.split(":")[0] for line in text] == [
        "0x0804b004 <parent_line>",
        "0x0804b00c <parent_line+8>",
    ]
    terminal.output.clear()
    terminal.repl.script(["info b", "", "print 1", ""], repeat=True)
    assert terminal.output.count("No breakpoints.") == 1


def test_nexti_makes_one_step_of_a_system_call(terminal: Terminal) -> None:
    terminal.do("si 2")
    lines = terminal.do("nexti")
    assert lines[-1] == "=> 0x08049011 <_start+17>:\ttestl  %eax, %eax"
    assert terminal.debugger.register("eax") == 3
    assert not any("trap" in line for line in lines)


def test_nexti_makes_one_step_of_a_fault_and_of_a_call_that_sleeps(terminal: Terminal) -> None:
    terminal.do("tbreak fork_sample.S:32")
    terminal.do("c")
    assert terminal.debugger.location().ring == 3
    faults = len(terminal.session.faults)
    terminal.do("nexti")
    assert terminal.debugger.location().symbol == "parent+30"  # the incl is done
    assert len(terminal.session.faults) == faults + 1
    terminal.do("break syscall waitpid")
    terminal.do("c")
    terminal.do("tbreak kernel:syscall_call")
    terminal.do("c")
    terminal.do("nexti")  # over `call *sys_call_table(,%eax,4)`: it sleeps, the child runs and dies
    assert terminal.debugger.location().symbol == "syscall_done"
    assert terminal.debugger.location().pid == 2
    assert terminal.debugger.register("eax") == 3
    assert terminal.session.kernel.processes.pids.tasks.keys() == {0, 1, 2}


def test_nexti_stops_when_the_task_dies(terminal: Terminal) -> None:
    terminal.do("tbreak child")
    terminal.do("c")
    for _ in range(30):
        lines = terminal.do("ni")
        if "dying" in lines[0]:
            break
    assert lines[0] == "Pid 3 (fork_sample) is dying."


def test_nexti_stops_at_a_breakpoint_on_its_way(terminal: Terminal) -> None:
    terminal.do("si 2")
    terminal.do("break kernel:sys_fork")
    lines = terminal.do("nexti")
    assert lines[0] == "Breakpoint 1, kernel:sys_fork"


def test_out_runs_back_to_user_mode(terminal: Terminal) -> None:
    assert "no call is known" in terminal.refused("out")
    terminal.do("si 5")
    assert terminal.debugger.location().ring == 0
    terminal.do("out")
    location = terminal.debugger.location()
    assert (location.pid, location.ring, location.symbol) == (2, 3, "_start+17")


def test_out_of_the_idle_task_is_refused() -> None:
    terminal = Terminal(start=False)
    assert "has no user mode" in terminal.refused("out")


def test_boot_shows_the_kernels_own_lines() -> None:
    terminal = Terminal(start=False)
    location = terminal.debugger.location()
    assert location.place is not None
    assert (location.symbol, location.place.name[:8]) == ("startup_32", "entry.S:")
    assert location.instruction is not None
    assert location.instruction.mnemonic == "movl"


def test_continue_to_breakpoints_of_every_kind(terminal: Terminal) -> None:
    terminal.do("break child")
    terminal.do("b cow")
    terminal.do("b syscall exit")
    terminal.do("b trap 14")
    terminal.do("tb fork")
    heads = []
    for _ in range(12):
        lines = terminal.do("continue")
        if "exited" in lines[-1]:
            break
        heads.append(lines[0])
    assert heads == [
        "Temporary breakpoint 5, fork",
        "Breakpoint 4, trap #PF",
        "Breakpoint 2, COW fault",
        "Breakpoint 1, child",
        "Breakpoint 4, trap #PF",
        "Breakpoint 2, COW fault",
        "Breakpoint 3, system call exit",
        "Breakpoint 3, system call exit",
    ]
    assert lines == ["The program has exited with status 0."]
    assert "nothing is left to run" in terminal.refused("si")
    table = terminal.do("info breakpoints")
    assert [row.split()[:2] for row in table[1:]] == [
        ["1", "1"],
        ["2", "2"],
        ["3", "2"],
        ["4", "2"],
    ]
    terminal.do("delete 2 3")
    assert [row.split()[0] for row in terminal.do("info b")[1:]] == ["1", "4"]
    terminal.do("delete")
    assert terminal.do("info b") == ["No breakpoints."]
    assert "no breakpoint number 9" in terminal.refused("delete 9")


def test_the_stop_after_a_cow_fault_tells_everything(terminal: Terminal) -> None:
    terminal.do("b cow")
    first = terminal.do("c")
    assert first[1] == "  pid 2 (fork_sample) wrote to 0x0804b000 <counter>"
    assert first[2].startswith("  at 0x08049033 <parent+24>  fork_sample.S:32  incl counter")
    copied = re.fullmatch(
        r"  copied frame (0x\w+) to frame (0x\w+): 1 reference left to \1, 1 reference to \2",
        first[3],
    )
    assert copied
    second = terminal.do("c")
    assert second[1] == "  pid 3 (fork_sample) wrote to 0x0804b000 <counter>"
    assert second[3] == f"  reused frame {copied[1]}: 1 reference, nobody else's"


def test_info_page_says_who_else_maps_the_frame(terminal: Terminal) -> None:
    terminal.do("b fork")
    terminal.do("c")
    lines = terminal.do("info page counter")
    text = "\n".join(lines)
    walk = terminal.session.walk(2, 0x804B000)
    assert walk.pte is not None
    assert f"PTE at physical {walk.pte_address:#010x}: {walk.pte:#010x}  present, read-only" in text
    assert f"frame {walk.pte >> 12:#x}, physical {walk.pte & ~0xFFF:#010x}" in text
    assert "2 references to the frame" in text
    assert [line for line in lines if "mapped by" in line] == [
        "  mapped by pid 2 at 0x0804b000  P-UAD",
        "  mapped by pid 3 at 0x0804b000  P-U-D",
    ]
    assert "a write by the program faults, and copies the frame" in text
    assert "no area: an access is SIGSEGV" in "\n".join(terminal.do("info page 0"))
    assert "the kernel's own" in "\n".join(terminal.do("info page kernel:startup_32"))
    stack = terminal.session.task(3).task.stack
    assert "kernel stack of pid 3" in "\n".join(terminal.do(f"info page {stack:#x}"))
    pgd = terminal.session.task(3).directory + 0xC0000000
    assert "page directory of pid 3" in "\n".join(terminal.do(f"info page {pgd:#x}"))
    assert "info page needs an address" in terminal.refused("info page")


def test_info_tab(terminal: Terminal) -> None:
    lines = terminal.do("info tab counter")
    assert lines[0].endswith("directory entry 32, table entry 75, offset 0x0")
    assert "references" not in "\n".join(lines)
    ranges = terminal.do("info tab")
    assert "0x0804b000-0x0804c000  1 pages  PWU" in ranges
    assert "nothing is mapped here" in terminal.do("info tab 0x10000000")


def test_info_frame_at_every_instruction_of_the_entry(terminal: Terminal) -> None:  # A2
    assert "user mode" in terminal.do("info frame")[0]
    terminal.do("si 2")
    before = terminal.session.current.cpu_regs
    terminal.do("si")
    expected = [
        ("ss", 0x7B), ("sp", before["esp"]), ("flags", before["eflags"]), ("cs", 0x73),
        ("ip", 0x8049011), ("orig_ax", 2), ("gs", 0), ("fs", 0), ("es", 0x7B), ("ds", 0x7B),
        ("ax", 2), ("bp", before["ebp"]), ("di", before["edi"]), ("si", before["esi"]),
        ("dx", before["edx"]), ("cx", before["ecx"]), ("bx", before["ebx"]),
    ]  # fmt: skip
    for _ in range(40):
        lines = terminal.do("info frame")
        sp = terminal.session.current.cpu_regs["esp"]
        rows = [line.split() for line in lines[3:]]
        shown = [(r[1], int(r[2], 16)) for r in rows if r[2] != "(not"]
        top = terminal.session.current.task.thread.sp0
        assert shown == expected[: (top - sp) // 4]
        assert [r[1] for r in rows] == [name for name, _ in expected]
        if sp == top - 68:
            break
        terminal.do("si")
    assert len(shown) == 17
    assert "__USER_CS, RPL 3" in "\n".join(lines)
    assert "system call fork" in "\n".join(lines)
    assert lines[2] == "frame of int 0x80 (system call) from ring 3"


def test_info_frame_of_a_page_fault_has_error_code_and_handler(terminal: Terminal) -> None:  # A5
    terminal.do("b trap #PF")
    terminal.do("c")
    lines = terminal.do("info frame")
    assert lines[2] == "frame of #PF from ring 3"
    (row,) = [line for line in lines if "orig_ax" in line]
    assert row.split()[2:4] == ["0x00000007", "CPU"]
    assert row.endswith("error code: protection, write, user")
    terminal.do("si")
    (row,) = [line for line in terminal.do("info frame") if "  gs " in line]
    assert row.endswith("do_page_fault: the handler, until gs takes its place")


def test_info_frame_of_an_interrupt_in_ring_0_has_no_ss_and_sp(terminal: Terminal) -> None:  # A5
    terminal.do("si 5")
    machine = terminal.session.kernel.machine
    machine.timer.tick(machine.clock.cycles)
    inside = terminal.session.current.cpu_regs
    lines = terminal.do("si")
    assert lines[0] == "  trap: interrupt 0x20 (timer); ring 0 -> ring 0, same stack"
    lines = terminal.do("info frame")
    titles = [line for line in lines if line.startswith("frame of")]
    assert titles == [
        "frame of interrupt 0x20 (timer) from ring 0, so no ss and sp",
        "frame of int 0x80 (system call) from ring 3",
    ]
    inner = lines[lines.index(titles[0]) + 1 : lines.index(titles[1]) - 1]
    rows = [line.split() for line in inner]
    assert [r[1] for r in rows][:3] == ["flags", "cs", "ip"]
    assert [int(r[2], 16) for r in rows[:3]] == [inside["eflags"], 0x60, inside["eip"]]
    assert terminal.do("si 3")
    (row, _) = [line for line in terminal.do("info frame") if "orig_ax" in line]
    assert row.endswith("interrupt line 0")
    terminal.do("where")
    assert [line.split()[0] for line in terminal.do("where")] == ["#0", "#1", "#2"]
    terminal.do("tbreak *" + hex(inside["eip"]))
    terminal.do("c")
    assert not any("0x20" in line for line in terminal.do("info frame"))


def test_info_frame_of_the_child_before_it_ran(terminal: Terminal) -> None:  # H1
    terminal.do("b fork")
    terminal.do("c")
    lines = terminal.do("info frame 3")
    assert lines[2] == "frame copied from pid 2's by copy_thread, with ax = 0"
    values = {line.split()[1]: int(line.split()[2], 16) for line in lines[3:]}
    assert values == terminal.session.task(3).pt_regs
    assert values["ax"] == 0
    assert "no task with pid 99" in terminal.refused("info frame 99")


def test_info_tasks_and_task(terminal: Terminal) -> None:
    terminal.do("b ret_from_fork")
    terminal.do("c")
    rows = terminal.do("info tasks")
    columns = [row.split(None, 5) for row in rows[1:]]
    assert [c[:4] for c in columns[:2]] == [["0", "0", "R", "swapper"], ["1", "0", "S", "init"]]
    assert rows[3].split()[:4] == ["2", "1", "S", "fork_sample"]
    assert "sleeps in wait4 for child 3" in rows[3]
    assert "fork_sample.S:38" in rows[3]
    assert rows[4].split()[:5] == ["*", "3", "2", "R", "fork_sample"]
    assert "kernel: ret_from_fork" in rows[4]
    text = "\n".join(terminal.do("info task 2"))
    assert "children: 3" in text
    assert re.search(r"^exit signal, code +17, 0x0$", text, re.MULTILINE)
    assert re.search(r"^memory +its own$", text, re.MULTILINE)
    assert re.search(r"^namespaces shared with +0 1 3$", text, re.MULTILINE)
    tree = terminal.do("info tasks --tree")
    assert tree == ["1 init S", "└─2 fork_sample S", "  └─3 fork_sample R"]
    assert 'unexpected "--forest"' in terminal.refused("info tasks --forest")
    assert "cow_copied 1" in text
    assert "is not a pid" in terminal.refused("info task x")


def test_info_cow_tells_the_life_of_a_page_and_of_a_frame(terminal: Terminal) -> None:
    terminal.do("break cow")
    terminal.do("continue")
    lines = terminal.do("info cow counter")
    copied = re.search(r"copied to frame (0x[0-9a-f]+)", "\n".join(lines))
    assert copied is not None
    new = int(copied[1], 16)
    assert lines[0].endswith(f"pid 2, frame {new:#x} now:")
    assert [re.split(r"\d, | with | to |, a|, b", line)[0].split()[-1] for line in lines[1:]] == [
        *("allocated", "shared", "copied", "allocated"),
    ]
    assert "fork_sample.S:32: incl counter" in lines[3]
    assert terminal.do(f"info cow {new:#x}")[1:] == lines[4:]
    assert terminal.do("info cow 0x10000000")[1:] == ["nothing has happened to it"]
    assert "needs an address" in terminal.refused("info cow")


def test_the_kernel_is_mapped_by_large_pages_where_the_cpu_has_them(terminal: Terminal) -> None:
    assert "a 4 MiB page" in terminal.do("info tab 0xc0001000")
    assert "frame 0x1, physical 0x00001000" in terminal.do("info page 0xc0001000")


def test_looking_at_another_task(terminal: Terminal) -> None:
    terminal.do("b ret_from_fork")
    terminal.do("c")
    assert terminal.do("x/wd counter") == ["0x0804b000 <counter>:\t1"]
    assert terminal.do("task 2") == ["looking at pid 2 (fork_sample): its saved registers are used"]
    assert terminal.do("x/wd counter") == ["0x0804b000 <counter>:\t2"]
    assert terminal.do("print $esi") == ["= 3  0x00000003"]
    assert terminal.do("info regs")[0] == "pid 2 (fork_sample), user registers in its pt_regs"
    assert "sys_waitpid+2" in terminal.do("where")[0]
    assert terminal.do("info tasks")[3].startswith(">")
    assert "is the CPU's" in terminal.refused("print $cr2")
    terminal.do("si")
    assert terminal.do("x/wd counter") == ["0x0804b000 <counter>:\t1"]
    terminal.do("task 0")
    assert "no user registers" in terminal.refused("info regs")
    assert "no user half" in terminal.do("info vma")[0]
    assert "no task with pid 77" in terminal.refused("task 77")


def test_info_regs(terminal: Terminal) -> None:
    terminal.do("si 3")
    text = "\n".join(terminal.do("info regs"))
    assert "running pid 2 (fork_sample) in ring 0" in text
    assert "eax 00000002" in text
    assert "cs  0060  __KERNEL_CS, RPL 0" in text
    assert "eip 0xc000107e <system_call>" in text
    assert re.search(r"cr0 800100\w\w  PE (MP )?.*WP PG", text)


def test_info_idt_gdt_tss(terminal: Terminal) -> None:
    idt = terminal.do("info idt")
    (system_call,) = [row for row in idt if row.startswith("0x80")]
    assert "trap gate       3" in system_call
    assert "<system_call>" in system_call
    (fault,) = [row for row in idt if "#PF" in row]
    assert "interrupt gate  0" in fault
    gdt = "\n".join(terminal.do("info gdt"))
    assert re.search(r"0x0070\s+__USER_CS\s+code xr, accessed\s+3\s+0x00000000\s+0xffffffff", gdt)
    assert re.search(r"0x0080\s+TSS\s+TSS, busy", gdt)
    tss = terminal.do("info tss")
    top = terminal.session.current.task.thread.sp0
    assert f"{top:#010x}  top of the kernel stack of pid 2 (fork_sample)" in tss[0]
    assert "__KERNEL_DS" in tss[1]


def test_info_vma_symbols_line_log_time(terminal: Terminal) -> None:
    vma = terminal.do("info vma")
    assert re.search(r"0x0804b000  0x0804c000  rw-p  1 +private, copy on write  program", vma[4])
    assert "[stack]" in vma[-1]
    symbols = terminal.do("info symbols *fork")
    assert "kernel:" in symbols
    assert any(line.endswith("ret_from_fork") for line in symbols)
    assert terminal.do("info symbols zzz") == ["No label matches zzz."]
    assert terminal.do("info line child")[0].startswith("0x08049090 <child>  fork_sample.S:42")
    assert terminal.do("info line 0x0")[0].endswith("has no source line")
    assert terminal.do("info log") == ["Nothing."]
    cycles = terminal.session.kernel.machine.clock.cycles
    assert terminal.do("info time")[0].startswith(f"{cycles} cycles")
    assert "One of: breakpoints, checkpoints" in terminal.refused("info")
    assert "ambiguous" in terminal.refused("info ta")


def test_x_in_every_format(tmp_path: Path) -> None:
    path = tmp_path / "data.S"
    path.write_text(
        ".globl _start\n_start: nop\nmovl $1, %eax\nint $0x80\n.data\n"
        'words: .long 0x80000001, 255\nbytes: .byte 65, 10, 0, 200\ntext: .asciz "a\\tb\\"c"\n'
        "edge:\n"
    )
    terminal = Terminal(path)
    expected = {
        "x/2wx words": "0x80000001\t0x000000ff",
        "x/2dw words": "-2147483647\t255",
        "x/2uw words": "2147483649\t255",
        "x/2ow words": "020000000001\t0377",
        "x/1th bytes": "0000101001000001",
        "x/4c bytes": "65 'A'\t10 '\\n'\t0 '\\000'\t-56 '\\310'",
        "x/2xb bytes": "0x41\t0x0a",
        "x/2xh words": "0x0001\t0x8000",
        "x/s text": '"a\\tb\\"c"',
        "x/wx words+4": "0x000000ff",
    }
    for line, text in expected.items():
        (row,) = terminal.do(line)
        assert row.split(":\t", 1)[1] == text, line
    assert [line.split(":\t")[1] for line in terminal.do("x/3i _start")] == [
        "nop", "movl   $1, %eax", INT,
    ]  # fmt: skip
    rows = terminal.do("x/10xw words")
    assert [len(row.split("\t")) - 1 for row in rows] == [4, 4, 2]
    assert [row.split(":")[0] for row in rows[:2]] == ["0x0804a000 <words>", "0x0804a010 <text+4>"]


def test_x_stops_where_memory_ends_and_changes_nothing(terminal: Terminal) -> None:
    before = terminal.session.kernel.machine.ram.image()
    lines = terminal.attempt("x/4wx 0x0804bff8")
    assert lines[0].count("0x") == 3
    assert lines[1].startswith("cannot access memory at address 0x804c000")
    assert "cannot access memory" in terminal.refused("x/s 0")
    assert "cannot access memory" in terminal.refused("x/i 0x10")
    assert "cannot access memory" in terminal.refused("print *4")
    assert "x needs an address" in Terminal(start=False).refused("x")
    for bad in ("x/9999999999x 0", "x/0x 0", "x/q 0", "x/-1x 0", "x/4w4x 0"):
        terminal.refused(bad)
    terminal.do("x/2xw 0xbfffffe0")
    assert terminal.session.kernel.machine.ram.image() == before


def test_print(terminal: Terminal) -> None:
    for text, value in (
        ("2+3*4", "= 14  0x0000000e"),
        ("(2+3)*4", "= 20  0x00000014"),
        ("-1", "= -1  0xffffffff"),
        ("counter+4", "= 134524932  0x0804b004 <parent_line>"),
        ("*counter", "= 0  0x00000000"),
        ("$pc == _start", "= 1  0x00000001"),
        ("'A' + '\\n'", "= 75  0x0000004b"),
        ("1<<31>>31", "= 1  0x00000001"),
        ("0x10 | 0b11 ^ 017 & ~8", "= 20  0x00000014"),
        ("__NR_fork", "= 2  0x00000002"),
        ("kernel:system_call - kernel:startup_32", "= 126  0x0000007e"),
        ("$ax", "= 0  0x00000000"),
        ("7%4 != 3", "= 0  0x00000000"),
        ("!0", "= 1  0x00000001"),
        ("1<<40", "= 0  0x00000000"),
        ("0xffffffff + 2", "= 1  0x00000001"),
        ("{int}_start", "= -1342175801  0xb00005c7"),
        ("{char} (_start + 1) + 1", "= 6  0x00000006"),
        ("{char}_start", "= -57  0xffffffc7"),
        ("{unsigned char}_start", "= 199  0x000000c7"),
    ):
        assert terminal.do(f"print {text}") == [value], text
    assert terminal.do("p/x 255") == ["= 0x000000ff"]
    assert terminal.do("p/d 0xffffffff") == ["= -1"]
    assert terminal.do("p/t 5")[0].endswith("101")
    for bad, why in (
        ("print", "missing"),
        ("print 1/0", "division by zero"),
        ("print 1 +", "missing"),
        ("print (1", "missing"),
        ("print 1 2", "unexpected"),
        ("print chidl", "did you mean child"),
        ("print $nothing", "no register"),
        ("print 0x100000000", "more than 32 bits"),
        ("print 09", "not a number"),
        ("print " + "(" * 5000, "nested too deeply"),
        ("print 'ab'", "cannot read"),
        ("p/s 1", "print shows one value"),
        ("print " + "9" * 9000, "more than 32 bits"),
    ):
        assert why in terminal.refused(bad), bad


def test_disassemble(terminal: Terminal) -> None:
    lines = terminal.do("disassemble")
    assert lines[0] == "=> 0x08049000 <_start>:\tmovl   $1, 0x804b000    # counter"
    assert lines[-1].split("\t")[1] == "je     0x8049090 <child>"
    assert terminal.do("disas child, 1") == ["   0x08049090 <child>:\tmovl   $1, %ebx"]
    text = "\n".join(terminal.do("disassemble syscall_call"))
    table = terminal.session.address("kernel:sys_call_table")
    assert f"calll  *{table:#x}(, %eax, 4)    # sys_call_table" in text
    assert len(terminal.do("disassemble $eip, 5")) == 5
    assert "cannot access" in terminal.refused("disassemble 0")
    assert "at most" in terminal.refused("disassemble $eip, 100000")


def test_list_and_where(terminal: Terminal) -> None:
    lines = terminal.do("list")
    source = SAMPLE.read_text().splitlines()
    assert lines[0].endswith("fork_sample.S:")
    assert lines[6] == f"=>   23  {source[22]}"
    assert "system_call:" in "\n".join(terminal.do("list system_call"))
    assert terminal.do("list fork_sample.S:42")[6].startswith("=>   42")
    assert "no code at or after" in terminal.refused("list 9999")
    assert "no source line" in terminal.refused("list 0x0")
    assert len(terminal.do("where")) == 1
    terminal.do("b kernel:sys_fork")
    terminal.do("c")
    rows = terminal.do("where")
    assert [re.search(r"<(\S+)>", row)[1] for row in rows] == [  # type: ignore[index]
        "sys_fork", "syscall_done", "_start+17",
    ]  # fmt: skip


def test_help_covers_every_command(terminal: Terminal) -> None:
    lines = terminal.do("help")
    for command in COMMANDS:
        assert any(command.name in line.split() for line in lines), command.name
        assert terminal.do(f"help {command.name}")[0].startswith(command.name)
        for alias in command.aliases:
            assert terminal.do(f"help {alias}")[0].startswith(command.name)
    assert set(GROUPS) <= {line.partition(":")[0] for line in lines}
    text = " ".join(terminal.do("help info"))
    for topic in TOPICS:
        assert re.search(rf"\b{topic.name}\b", text), topic.name
        assert terminal.do(f"help info {topic.name}")[0].startswith(f"info {topic.name}")
    assert "no command" in terminal.refused("help xyzzy")


def test_what_is_not_a_command(terminal: Terminal) -> None:
    assert "did you mean stepi" in terminal.refused("stpei")
    assert "is not a command" in terminal.refused("%&/")
    assert "takes no /x" in terminal.refused("si/x")
    assert "takes no arguments" in terminal.refused("continue 5")
    assert "not a count" in terminal.refused("si -1")
    assert "a count from 1" in terminal.refused("si 0")
    assert "ambiguous" in terminal.refused("t")
    assert "break where" in terminal.refused("break")
    assert terminal.attempt("# a comment") == []


def test_an_ambiguous_label_is_the_programs_and_it_is_said(terminal: Terminal) -> None:
    lines = terminal.do("break _start")
    assert lines == [
        "Breakpoint 1: _start at 0x08049000",
        "  (the program's; the name is also in: init)",
    ]


def test_an_oops_leaves_the_session_to_be_looked_at() -> None:  # A6
    terminal = Terminal()
    terminal.do("si 4")
    terminal.session.kernel.machine.cpu.eip = 0xC0F00000 + (64 << 20)  # not mapped
    lines = terminal.do("c")
    assert any("page fault" in line.lower() for line in lines)
    assert "the kernel has oopsed" in terminal.refused("si")
    assert terminal.do("info regs")
    assert terminal.do("where")


def test_steps_are_fast_enough() -> None:
    terminal = Terminal(USERLAND / "infinite_loop.S")
    best = 0.0
    for _ in range(3):
        start = time.process_time()
        terminal.do("stepi 50000")
        best = max(best, 50000 / (time.process_time() - start))
    assert best > 50_000, f"{best:.0f} steps a second"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("plain words\nrun on", ["  plain words run on"]),
        (
            "WORD   its meaning\n       goes on\nOTHER  next",
            ["  WORD   its meaning goes on", "  OTHER  next"],
        ),
        ("A B  " + "x " * 50 + "\nplain", None),
    ],
)
def test_help_keeps_its_columns(text: str, lines: list[str] | None) -> None:
    found = paragraphs(text)
    assert all(len(line) <= 80 for line in found)
    if lines is None:
        assert found[0].startswith("  A B  x x")
        assert found[1].startswith("       x x")
        assert found[2] == "  plain"
    else:
        assert found == lines
