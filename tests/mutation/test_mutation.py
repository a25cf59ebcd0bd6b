"""The tool of `make mutants SAMPLE=n` itself; its runs take too long for here."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from mutation import (
    EQUIVALENT,
    PACKAGES,
    ROOT,
    Reach,
    Result,
    all_faults,
    choose,
    explanations,
    lines_of,
    reaching,
    table,
)
from relevance import words_in
from single_faults import Fault, faults_of

SOURCE = textwrap.dedent('''
    """Text 1 + 1."""
    LIMIT: int = 7
    def f(a: int, b: "x < y" = 1) -> bool:
        """Not 2 < 3."""
        assert a < 9
        if a < b and not b:
            g(a)
            a.x = LIMIT
            a += 1
        for c in a: continue
        return a is None
''')


def changed(fault: Fault) -> tuple[int, str, str]:
    return fault.line, fault.old(SOURCE), fault.new


def test_which_faults_there_are() -> None:
    assert [changed(fault) for fault in faults_of("a.py", SOURCE)] == [
        (3, "7", "8"),
        (4, "1", "2"),
        (7, "a < b and not b", "(a < b or not b)"),
        (7, "a < b", "(a <= b)"),
        (7, "not b", "(b)"),
        (8, "g(a)", "pass"),
        (9, "a.x = LIMIT", "pass"),
        (10, "a += 1", "pass"),
        (10, "1", "2"),
        (11, "continue", "break"),
        (12, "a is None", "(a is not None)"),
    ]


def test_a_fault_changes_nothing_else() -> None:
    for fault in faults_of("a.py", SOURCE):
        old, new = SOURCE.splitlines(), fault.apply(SOURCE).splitlines()
        assert [n for n, (a, b) in enumerate(zip(old, new, strict=True), 1) if a != b] == [
            fault.line
        ]
        compile(fault.apply(SOURCE), "a.py", "exec")


def test_columns_are_bytes() -> None:
    source = "def f():\n    g('\u00e4\u00f6'); return 1 < 2\n"
    fault = next(f for f in faults_of("a.py", source) if f.new == "(1 <= 2)")
    assert fault.apply(source) == "def f():\n    g('\u00e4\u00f6'); return (1 <= 2)\n"


def reach(*watched: str, **tests: tuple[float, list[str]]) -> Reach:
    found = {name: (seconds, frozenset(lines)) for name, (seconds, lines) in tests.items()}
    return Reach(frozenset(watched), found)


def test_the_tests_that_reach_the_lines_come_quickest_first() -> None:
    fault = Fault("a.py", 8, 0, 8, 1, "x", (4, 12), (7, 8))
    tests = {
        "slow": (2.0, ["a.py:4", "a.py:7"]), "other": (0.1, ["b.py:7"]), "inner": (1.0, ["a.py:8"]),
        "calls": (0.5, ["a.py:4"]), "behind": (0.1, ["a.py:13"]),
    }  # fmt: skip
    assert reaching(fault, reach("a.py:7", "a.py:8", **tests)) == ["inner", "slow"]
    assert reaching(fault, reach("a.py:7", "a.py:8", calls=tests["calls"])) == []
    not_watched = reach("a.py:7", **tests)
    assert reaching(fault, not_watched) == ["calls", "inner", "slow"]


def test_a_constant_is_reached_where_its_name_is() -> None:
    path = "toykernel/kernel/sched/idle.py"
    faults = all_faults("kernel", {"toykernel/kernel/clone_flags.py": set(range(1, 99))})
    fault = next(f for f in faults if f.function == (0, 0))
    name = (ROOT / fault.path).read_text().splitlines()[fault.line - 1].split()[0]
    lines = lines_of(fault)
    assert f"{fault.path}:{fault.line}" in lines
    users = lines - {f"{fault.path}:{fault.line}"}
    assert users
    assert all(name in (ROOT / line.partition(":")[0]).read_text() for line in users)
    tests = {"uses": (2.0, [min(users)]), "file": (1.0, [f"{fault.path}:1"]), "no": (0.1, [path])}
    first = "tests/kernel/test_header_constants.py"
    assert reaching(fault, reach(*lines, **tests)) == [first, "uses"]
    assert reaching(fault, reach(*lines, file=tests["file"], no=tests["no"])) == [first, "file"]


def test_the_most_relevant_come_before_the_quickest() -> None:
    folder = "tests/kernel/test_clone_details.py"
    about = f"{folder}::test_who_may_exceed_rlimit_nproc[cap]"
    reach_of = {f"{folder}::test_{name}": (0.1, ["x"]) for name in ("a", "b", "c")}
    faults = all_faults("kernel", {"toykernel/kernel/fork.py": set(range(1, 500))})
    text = (ROOT / "toykernel/kernel/fork.py").read_text()
    fault = next(f for f in faults if f.old(text) == "not capable(k, CAP_SYS_RESOURCE)")
    lines = lines_of(fault)
    tests = {about: (20.0, sorted(lines))} | {
        t: (s, sorted(lines)) for t, (s, _) in reach_of.items()
    }
    assert reaching(fault, reach(*lines, **tests)) == [about, *reach_of]
    assert words_in("RLIMIT_NPROC isNot 12") == {"rlimit", "nproc", "not", "12"}


def test_the_same_seed_chooses_the_same() -> None:
    faults = {package: all_faults(package, None) for package in ("ipc", "fs")}
    assert choose(faults, 20, 5) == choose(faults, 20, 5) != choose(faults, 20, 6)
    assert {package for package, _ in choose(faults, 100, 5)} == {"ipc", "fs"}
    lines = {"toykernel/ipc/sem.py": {100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110}}
    assert {f.path for f in all_faults("ipc", lines)} == {"toykernel/ipc/sem.py"}


def test_the_score() -> None:
    results = [
        Result("mm", "x", "test", None), Result("mm", "y", None, "why"), Result("fs", "z", None, None),
        Result("fs", "v", "test", None),
    ]  # fmt: skip
    rows = [line.split() for line in table(results).splitlines()[1:]]
    assert rows == [
        ["fs", "2", "1", "0", "50%"], ["mm", "2", "1", "1", "100%"], ["all", "4", "2", "1", "67%"],
    ]  # fmt: skip


@pytest.mark.parametrize("package", PACKAGES)
def test_the_files_of_each_package(package: str) -> None:
    source, tests = PACKAGES[package]
    assert any(ROOT.glob(source))
    assert all((ROOT / path.partition("::")[0]).exists() for path in tests)


def test_what_is_explained_is_there() -> None:
    """A fault in equivalent.txt whose text has gone is out of date."""
    known: dict[str, set[str]] = {}
    for text in explanations():
        path = text.partition(":")[0]
        if path not in known:
            source = (ROOT / path).read_text(encoding="utf-8")
            known[path] = {f.describe(source).split(": ", 1)[1] for f in faults_of(path, source)}
        assert text.split(": ", 1)[1] in known[path], f"{EQUIVALENT.name}: {text}"
    assert Path(EQUIVALENT).exists()
