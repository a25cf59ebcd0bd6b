"""What headers and tests say of all orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from toykernel.cli.judge import judge
from toykernel.harness.expectations import HeaderError, parse_header
from toykernel.harness.verdict import FAILED, PASSED
from toykernel.testing import explore

PROGRAMS = Path(__file__).parent / "programs"
SLOW = ("fork_twice", "fork_between")
QUICK = sorted(path.stem for path in PROGRAMS.glob("*.S") if path.stem not in SLOW)


@pytest.mark.parametrize("name", QUICK)
def test_the_programs_here_keep_their_promises(name) -> None:
    verdict = judge(str(PROGRAMS / f"{name}.S"), 10_000_000)
    assert verdict.explanation == ()
    assert verdict.outcome == PASSED


def judged(tmp_path: Path, name: str, *lines: str) -> tuple[str, ...]:
    text = (PROGRAMS / f"{name}.S").read_text()
    body = "\n".join(line for line in text.splitlines() if not line.startswith("# e"))
    program = tmp_path / "program.S"
    program.write_text("\n".join(lines) + "\n" + body.replace('"put.inc"', f'"{PROGRAMS}/put.inc"'))
    verdict = judge(str(program), 10_000_000)
    assert (verdict.outcome == FAILED) == bool(verdict.explanation)
    return tuple(line.removeprefix(f"{program}:") for line in verdict.explanation)


def test_a_broken_promise_names_its_line_and_what_is_so(tmp_path) -> None:
    found = judged(
        *(tmp_path, "two_writers", "# expect outputs: 3", "# expect output-possible: pp"),
        *("# expect output-impossible: cp", "# expect deadlock: possible"),
    )
    assert found == (
        "1: outputs: expected 3, got 2: `cp`, `pc`",
        "2: output `pp`: expected to be possible, and never happens",
        "3: output `cp`: expected to be impossible, possible: schedule 3x3 (0 switches)",
        "4: deadlock: expected to be possible, and never happens",
    )


def test_a_deadlock_is_told_with_who_waits_and_how(tmp_path) -> None:
    (line,) = judged(tmp_path, "philosophers", "# expect deadlock: never")
    assert line.startswith("1: deadlock: expected never, possible: 2 (program) in semop -1 on")
    assert line.endswith("(1 switch)")


def test_what_was_cut_off_proves_nothing(tmp_path) -> None:
    found = judged(
        *(tmp_path, "two_writers", "# expect deadlock: never", "# explore: --preemptions 0"),
    )
    assert found == (
        "1: deadlock: never cannot be said",
        "1: not every order was looked at: --preemptions 0",
    )


def test_a_single_run_counts_only_where_the_header_says_something_of_it(tmp_path) -> None:
    wanted = ("# expect outputs: 2", "# expect stdout: pc")
    assert judged(tmp_path, "two_writers", *wanted) == ()
    lines = judged(tmp_path, "two_writers", "# expect outputs: 2", "# expect status: 4")
    assert any("expected exit status 4" in line for line in lines)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("# expect outputs: none", "not a number of outputs"),
        ("# expect deadlock: maybe", "never or possible"),
        ("# expect outputs 2", "needs a colon"),
    ],
)
def test_a_header_that_cannot_be_understood(line, message) -> None:
    with pytest.raises(HeaderError, match=message):
        parse_header(f"{line}\n", "p.S")


def test_output_texts_have_newlines() -> None:
    (promise,) = parse_header("# expect output-possible: a\\nb\n", "p.S").orders
    assert promise.text == "a\nb"


def test_assertions_of_tests() -> None:
    orders = explore(PROGRAMS / "two_writers.S", check=True)
    assert orders.complete
    orders.assert_outputs("pc", "cp")
    orders.assert_output_possible("cp")
    orders.assert_output_impossible("pp")
    orders.assert_no_deadlock()
    orders.assert_statuses(0)
    with pytest.raises(AssertionError, match="unexpected"):
        orders.assert_outputs("pc")
    with pytest.raises(AssertionError, match="no order has the output 'pp'"):
        orders.assert_output_possible("pp")
    with pytest.raises(AssertionError, match="an order has the output 'pc'"):
        orders.assert_output_impossible("pc")
    with pytest.raises(AssertionError, match="ends: status 0"):
        orders.assert_statuses(1)


def test_assertions_about_a_program_with_a_deadlock() -> None:
    orders = explore(PROGRAMS / "philosophers.S")
    with pytest.raises(AssertionError, match="a deadlock is possible\n3 outcomes"):
        orders.assert_no_deadlock()


def test_what_was_cut_off_is_not_asserted() -> None:
    orders = explore(PROGRAMS / "two_writers.S", max_states=2)
    with pytest.raises(AssertionError, match="not every order was looked at"):
        orders.assert_no_deadlock()


def test_the_fixture_looks_beside_the_test(explore) -> None:
    explore("programs/two_writers.S").assert_outputs("pc", "cp")
