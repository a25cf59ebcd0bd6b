"""The table of system calls: what it collects, and what it refuses."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import toykernel
from toykernel.kernel import sys as kernel_sys
from toykernel.observe.decoding.table import known
from toykernel.syscall_table import SYSCALLS, Call, collect, homes, table
from toykernel.syscalls import Kind, rows_of, syscall

PROGRAMS = Path(__file__).parents[2] / "userland"
LOADED = """
import sys
from toykernel import Session
Session(sys.argv[1]).run()
print(*(name for name in sys.modules if name.startswith(("toykernel", "emu", "userland"))))
"""


def answer(_k: object) -> int:
    return 7


def test_a_function_keeps_its_rows_and_stays_what_it_is():
    decorated = syscall(0, "pid:pid to:address", name="zero")(answer)
    assert decorated is answer
    (row,) = rows_of(answer)
    assert (row.number, row.name, row.function, row.entry) == (0, "zero", answer, "")
    assert [(a.name, a.kind) for a in row.arguments] == [("pid", Kind.PID), ("to", Kind.ADDRESS)]
    assert [a.decode(0xFFFFFFFF) for a in row.arguments] == [-1, 0xFFFFFFFF]


def test_every_decorated_function_is_collected():
    root = Path(toykernel.__file__).parent
    sources = (
        p.read_text() for p in root.rglob("*.py") if p.name != "syscalls.py" or p.parent != root
    )
    decorators = sum(len(re.findall(r"^@syscall\(", source, re.MULTILINE)) for source in sources)
    assert decorators == sum(call.known for call in SYSCALLS) > 150
    for module in {call.home for call in SYSCALLS if call.known}:
        here = [call for call in SYSCALLS if call.home == module]
        rows = collect([import_module(f"toykernel.{module}")])
        assert rows == [call.row for call in here], module
        assert [row.entry for row in rows] == [call.entry for call in here], module


def test_a_start_loads_no_system_calls_that_it_does_not_make():
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED, PROGRAMS / "hello.S"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "toykernel.fs.read_write" in loaded
    assert {
        "toykernel.net.socket",
        "toykernel.ipc.mq_calls",
        "toykernel.fs.epoll_calls",
    }.isdisjoint(loaded)
    assert len(loaded) < 320


def test_the_table_is_in_number_order_without_gaps():
    assert [row.number for row in SYSCALLS] == list(range(len(SYSCALLS)))
    named = {row.number: row.name for row in SYSCALLS}
    # arch/x86/entry/syscalls/syscall_32.tbl
    assert (named[1], named[120], named[192], named[344]) == ("exit", "clone", "mmap2", "syncfs")
    assert (named[386], named[403], named[435]) == ("rseq", "clock_gettime64", "clone3")
    assert (named[466], len(named)) == ("removexattrat", 470)
    unused = {222, 223, 251, 285, *range(387, 393), 415}
    assert {n for n, name in named.items() if not name} == unused


def test_a_function_that_a_module_only_imports_is_not_its_own():
    other = ModuleType("other")
    vars(other)["sys_getpid"] = kernel_sys.sys_getpid
    assert collect([other]) == []
    assert 20 in {row.number for row in collect([kernel_sys])}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: a b y: b", "system call b in x and in y"),
        ("x: c d a", "no number for c, d"),
    ],
)
def test_doubles_and_wrong_names_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        table(("a", "b", "-"), homes(text), {})


@pytest.mark.parametrize("call", [Call(20, "gettid", "kernel.sys"), Call(21, "getpid", "kernel.sys"),
                                  Call(2, "fork", "kernel.fork")])  # fmt: skip
def test_a_row_that_the_function_does_not_have_is_refused(call):
    with pytest.raises(LookupError, match=f"no system call {call.number}, {call.name}"):
        _ = call.function


def test_a_number_without_a_function_keeps_its_name():
    first, second, none = table(("a", "b", "-"), homes("x: b"), {})
    assert (first.label, second.label, none.label) == ("sys_ni_syscall", "sys_b", "sys_ni_syscall")
    assert (first.name, none.name) == ("a", "")


def test_an_undeclared_kind_is_refused():
    with pytest.raises(ValueError, match="'fdd' is not a valid Kind"):
        syscall(3, "fd:fdd")


def test_every_kind_is_used_and_every_call_can_be_traced():
    used = {argument.kind for row in SYSCALLS for argument in row.arguments}
    assert used == set(Kind)
    assert [row.name for row in SYSCALLS if row.name and not known(row.name)] == []


def test_the_entries_of_entry_s_stay():
    labels = {row.name: row.label for row in SYSCALLS}
    assert [labels[n] for n in ("fork", "vfork", "clone", "getpid", "ptrace", "uselib")] == [
        *("ptregs_fork", "ptregs_vfork", "ptregs_clone"),
        *("sys_getpid", "sys_ptrace", "sys_ni_syscall"),
    ]
