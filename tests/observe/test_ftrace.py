"""The kernel's tracers: function_graph and trace events, as Linux prints them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from toykernel.cli.options import TRACE_SYSTEMS
from toykernel.harness.session import Session
from toykernel.observe.ftrace import FunctionGraph, duration_text, process_text
from toykernel.observe.trace_events import SYSTEMS, TraceEvents
from toykernel.state import Config
from toykernel.statehash import state_hash

USERLAND = Path(__file__).parents[2] / "userland"
LINE = re.compile(
    r" 0\) (?:(?P<mark>  |\+ |! )(?P<took>[\d.]+) us +|              )\|  "
    r"(?P<indent>(?:  )*)(?P<text>\w+\(\)(?:;| \{)|\})"
)
IRQ = re.compile(r" 0\)   (==========>|<==========) \|")
SWITCH = re.compile(r" 0\) +(\S+)-(\d+) +=> +(\S+)-(\d+) +")
RULE = " ------------------------------------------"
PROGRAMS = ("fork_sample", "vfork_order", "timers", "signal_fork", "thread_join", "pipe_talk")


def traced(name: str, timing: str = "i486") -> tuple[Session, list[str]]:
    session = Session(USERLAND / f"{name}.S", config=Config(timing=timing))
    graph = FunctionGraph(session.kernel)
    assert session.run(1_000_000_000).kind == "finished"
    graph.close()
    assert sys.getprofile() is None
    return session, b"".join(graph.lines).decode().splitlines()


@pytest.mark.parametrize("name", PROGRAMS)
def test_functions_are_nested_by_task_and_take_no_longer_than_their_callers(name: str) -> None:
    _, lines = traced(name)
    assert lines[:2] == ["# tracer: function_graph", "#"]
    depths: dict[str, int] = {}
    inside: dict[str, list[float]] = {}  # what the calls inside took, by depth
    task, switches = "0", 0
    for line in lines[4:]:
        if line in ("", RULE) or IRQ.fullmatch(line):
            continue
        if switch := SWITCH.fullmatch(line):
            assert switch[2] == task
            task, switches = switch[4], switches + 1
            continue
        found = LINE.fullmatch(line)
        assert found is not None, line
        depth = len(found["indent"]) // 2
        spent = inside.setdefault(task, [0.0])
        if found["text"] == "}":
            assert depth == depths[task] - 1
            children = spent.pop()
            assert children <= float(found["took"]) + 0.002 * 100
            depths[task] = depth
            spent[-1] += float(found["took"])
        else:
            assert depth == depths.get(task, 0)
            if found["text"].endswith("{"):
                assert found["took"] is None
                depths[task] = depth + 1
                spent.append(0.0)
            else:
                spent[-1] += float(found["took"])
    assert switches > 2


@pytest.mark.parametrize("timing", ["off", "i486"])
def test_tracing_changes_nothing(timing: str) -> None:
    session, _ = traced("fork_sample", timing)
    other = Session(USERLAND / "fork_sample.S", config=Config(timing=timing))
    other.run()
    assert state_hash(session.kernel) == state_hash(other.kernel)
    assert session.stdout == other.stdout


def test_what_was_traced_is_taken_back_and_comes_again() -> None:
    session = Session(USERLAND / "fork_sample.S", config=Config(timing="i486"))
    graph = FunctionGraph(session.kernel)
    events = TraceEvents(session.kernel, SYSTEMS)
    session.break_at("child")
    session.run()
    here = session.snapshot()
    before = (list(graph.lines), list(events.lines))
    session.run()
    after = (list(graph.lines), list(events.lines))
    assert len(after[0]) > len(before[0])
    assert len(after[1]) > len(before[1])
    session.restore(here)
    assert (graph.lines, events.lines) == before
    session.run()
    assert (graph.lines, events.lines) == after


def test_a_copy_on_write_fault() -> None:
    _, lines = traced("cow_copy_reuse")
    begin = lines.index(f" 0) {'|':>15}  page_fault() {{")
    fault = lines[
        begin : lines.index(next(x for x in lines[begin:] if x.endswith("|  }")), begin) + 1
    ]
    assert [line.partition("|")[2] for line in fault] == [
        "  page_fault() {",
        "    do_page_fault() {",
        "      find_area();",
        "      access_error();",
        "      handle_mm_fault() {",
        "        pte_alloc() {",
        "          pte_offset();",
        "        }",
        "        handle_pte_fault() {",
        "          pte_present();",
        "          do_wp_page() {",
        "            alloc_pages();",
        "            anon_vma_prepare();",
        "            mk_pte() {",
        "              vm_page_prot();",
        "            }",
        "            set_pte();",
        "            flush_tlb_page();",
        "            put_page();",
        "          }",
        "        }",
        "      }",
        "    }",
        "  }",
    ]
    assert fault[-2].startswith(" 0) ! 125.")


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (0, "  0.000 us    |  "),
        (1382, "  1.382 us    |  "),
        (10_000, "  10.000 us   |  "),
        (10_001, "+ 10.001 us   |  "),
        (125_364, "! 125.364 us  |  "),
        (12_345_678, "! 12345.67 us |  "),
        (12_345_678_901, "! 12345678 us |  "),
    ],
)
def test_durations_as_linux_prints_them(ns: int, said: str) -> None:
    assert duration_text(ns) == said


def test_names_are_cut_to_seven_letters() -> None:
    assert process_text("fork_sample", 12) == "  fork_sa-12  "


def test_trace_events() -> None:
    session = Session(USERLAND / "timers.S", config=Config(timing="i486"))
    events = TraceEvents(session.kernel, ("irq", "syscalls", "exceptions"))
    session.run(1_000_000_000)
    text = b"".join(events.lines).decode()
    assert "sched_switch" not in text
    assert re.search(
        r": irq_handler_entry: irq=0 name=timer\n.*: irq_handler_exit: irq=0 ret=handled\n", text
    )
    entered = re.findall(
        r"-(\d+) +\[000\] +[\d.]+: sys_enter: NR (\d+) \((?:[0-9a-f]+, ){5}[0-9a-f]+\)", text
    )
    left = re.findall(r"-(\d+) +\[000\] +[\d.]+: sys_exit: NR (\d+) = -?\d+", text)
    assert entered
    assert set(left) <= set(entered)


def test_page_faults() -> None:
    session = Session(USERLAND / "cow_copy_reuse.S", config=Config(timing="i486"))
    events = TraceEvents(session.kernel, ("page_faults",))
    session.run()
    text = b"".join(events.lines).decode()
    assert re.findall(r"page_fault_user: .*", text) == [
        "page_fault_user: address=0x804b000 ip=0x8049069 error_code=0x7",
        "page_fault_user: address=0x804b000 ip=0x8049049 error_code=0x7",
    ]
    assert TRACE_SYSTEMS == SYSTEMS


def test_page_faults_of_the_kernels_own_writes() -> None:
    """read and pipe store into pages that fork has write-protected: K8, error code 3 (present, write)."""
    session = Session(USERLAND / "pipe_talk.S")
    events = TraceEvents(session.kernel, ("exceptions",))
    session.run()
    found = re.findall(
        r"-(\d+) .*: page_fault_kernel: address=0x(\w+) ip=0x(\w+) error_code=(\w+)",
        b"".join(events.lines).decode(),
    )
    images = session.images
    assert [
        (pid, images.program.symbol_at(int(at, 16)), images.kernel.symbol_at(int(ip, 16)), code)
        for pid, at, ip, code in found
    ] == [("2", "buffer", "sys_read+2", "0x3"), ("4", "fds", "sys_pipe+2", "0x3")]
