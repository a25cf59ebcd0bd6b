"""The header of a program: what is understood, what is refused, what counts as a difference."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toykernel.harness.comparison import compare
from toykernel.harness.expectations import (
    Expectations,
    HeaderError,
    LineGroup,
    parse_header,
)
from toykernel.harness.report_path import NotInReport, ReportPath

FULL = """\
# title: Two processes
# args: one "two words"
# options: --max-cycles 200000
# expect stdout-any-order: This is Parent
# expect stdout-any-order: This is Child
# expect stdout: Child Complete
# expect stderr: oh: no
# expect status: 139
# expect signal: SIGSEGV
# expect report faults.cow_copied: 2
# expect report tasks[pid=3].comm: fork_sample
# native: no it never ends
#
# Idea: a sentence, with a colon.

.text
# a comment of the code
"""


def header(*lines: str) -> Expectations:
    return parse_header("".join(f"# {line}\n" for line in lines), "x.S")


def differences(
    expected: Expectations,
    stdout: str = "",
    stderr: str = "",
    status: int = 0,
    signal: int | None = None,
    report: dict[str, object] | None = None,
) -> list[str]:
    return compare(expected, stdout.encode(), stderr.encode(), status, signal, report)


def test_every_statement_is_read() -> None:
    got = parse_header(FULL, "x.S")
    assert got.title == "Two processes"
    assert got.args == ("one", "two words")
    assert got.options == ("--max-cycles", "200000")
    assert got.stdout == (
        LineGroup(("This is Parent", "This is Child"), ordered=False),
        LineGroup(("Child Complete",), ordered=True),
    )
    assert got.stderr == ("oh: no",)
    assert (got.status, got.signal, got.expected_status) == (139, 11, 139)
    assert [(r.path.text, r.value, r.line) for r in got.report] == [
        ("faults.cow_copied", 2, 10),
        ("tasks[pid=3].comm", "fork_sample", 11),
    ]
    assert got.native_refusal == "it never ends"
    assert got.says_anything


@pytest.mark.parametrize(
    "line",
    [
        "expect the child to end with status 5",
        "expect output of both, in any order",
        "expect nothing more",
        "expected SIGSEGV",
        "Expect 5 lines",
    ],
)
def test_prose_may_begin_with_expect(line: str) -> None:
    assert parse_header(f"# {line}\n", "x.S") == Expectations("x.S")


def test_a_file_without_header_expects_silence_and_success() -> None:
    got = parse_header(".text\n", "x.S")
    assert got == Expectations("x.S")
    assert not got.says_anything
    assert differences(got) == []
    assert differences(got, stdout="x\n") == ["stdout line 1: unexpected line `x`"]
    assert differences(got, stderr="x\n") == ["stderr line 1: unexpected line `x`"]
    assert differences(got, status=1) == ["end: expected exit status 0, got exit status 1"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("expect stdot: x", "unknown kind `expect stdot`"),
        ("expect: x", "unknown kind `expect `"),
        ("expect report: 1", "unknown kind `expect report`"),
        ("expects stdout: x", "did you mean `expect`"),
        ("expect status 3", "needs a colon"),
        ("expect exit 5", "needs a colon: # expect KIND: VALUE, KIND one of stdout"),
        ("expect exit-code 5", "needs a colon"),
        ("expect 5", "needs a colon"),
        ("expect output hello", "needs a colon"),
        ("expect killed SIGSEGV", "needs a colon"),
        ("expect status: -1", "not an exit status"),
        ("expect status: 256", "not an exit status"),
        ("expect status: ", "not an exit status"),
        ("expect status: ²", "not an exit status"),
        ("expect signal: SIGSEG", "did you mean SIGSEGV"),
        ("expect signal: 11", "not a signal name"),
        ("expect report a..b: 1", "malformed report path"),
        ("expect report [0]: 1", "malformed report path"),
        ("expect report a[x: 1", "malformed report path"),
        ("expect report a: ", "has no value"),
        ("titel: x", "did you mean `title`"),
        ("Title: x", "did you mean `title`"),
        ("option: x", "did you mean `options`"),
        ("title:", "has no value"),
        ('args: "open', "No closing quotation"),
        ("options: 'open", "No closing quotation"),
        ("native: yes", "native: no REASON"),
        ("native: no", "native: no REASON"),
    ],
)
def test_a_malformed_line_is_refused_where_it_stands(line: str, message: str) -> None:
    with pytest.raises(HeaderError) as caught:
        parse_header(f"# title2 is prose\n# {line}\n", "dir/x.S")
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line) == ("dir/x.S", 2)
    assert str(caught.value).startswith("dir/x.S:2: ")


@pytest.mark.parametrize(
    "line",
    [
        "title: a",
        "args: a",
        "options: a",
        "native: no a",
        "expect status: 1",
        "expect signal: SIGILL",
        "expect report a: 1",
    ],
)
def test_what_can_be_said_once_is_refused_twice(line: str) -> None:
    with pytest.raises(HeaderError, match="given before, in line 1"):
        header(line, line)


def test_status_and_signal_must_agree() -> None:
    with pytest.raises(HeaderError, match=r"x\.S:1: status 1 contradicts SIGSEGV"):
        header("expect status: 1", "expect signal: SIGSEGV")


def test_an_expectation_below_the_header_is_refused() -> None:
    with pytest.raises(HeaderError) as caught:
        parse_header("# title: x\n\n.text\n    # expect stdout: x\n", "x.S")
    assert caught.value.line == 4


def test_blank_lines_do_not_end_the_header() -> None:
    assert parse_header("\n# title: x\n\n# expect status: 3\n", "x.S").status == 3


def test_output_keeps_its_blanks_and_empty_lines() -> None:
    expected = header("expect stdout:   indented", "expect stdout:", "expect stdout: a: b")
    assert differences(expected, stdout="  indented\n\na: b\n") == []
    assert differences(expected, stdout="indented\n\na: b\n") == [
        "stdout line 1: expected `  indented`, got `indented`"
    ]


def test_ordered_lines_are_compared_in_order() -> None:
    expected = header("expect stdout: a", "expect stdout: b")
    assert differences(expected, stdout="a\nb") == []
    assert differences(expected, stdout="b\na\n") == ["stdout line 1: expected `a`, got `b`"]
    assert differences(expected, stdout="a\n") == ["stdout line 2: expected `b`, output ended"]
    assert differences(expected, stdout="a\nb\nc\nd\n") == [
        "stdout line 3: unexpected line `c` and 1 more"
    ]


def test_any_order_lines_form_a_group_in_its_place() -> None:
    expected = header(
        "expect stdout-any-order: a", "expect stdout-any-order: b", "expect stdout: last"
    )
    assert differences(expected, stdout="a\nb\nlast\n") == []
    assert differences(expected, stdout="b\na\nlast\n") == []
    assert differences(expected, stdout="a\nlast\nb\n") == [
        "stdout: missing line `b`",
        "stdout: unexpected line `last`",
        "stdout line 3: expected `last`, got `b`",
    ]


def test_any_order_lines_are_counted() -> None:
    expected = header("expect stdout-any-order: a", "expect stdout-any-order: a")
    assert differences(expected, stdout="a\na\n") == []
    assert differences(expected, stdout="a\n") == ["stdout: missing line `a`"]
    assert differences(expected, stdout="a\na\na\n") == ["stdout: unexpected line `a`"]


def test_output_that_is_not_utf8_is_shown() -> None:
    assert compare(header("expect stdout: a"), b"\xff\n", b"", 0, None, None) == [
        "stdout line 1: expected `a`, got `\\xff`"
    ]


def test_the_end_of_the_program() -> None:
    killed = header("expect signal: SIGSEGV")
    assert differences(killed, status=139, signal=11) == []
    assert differences(killed, status=0) == ["end: expected killed by SIGSEGV, got exit status 0"]
    # exit(139) is no death by signal
    assert differences(killed, status=139) == [
        "end: expected killed by SIGSEGV, got exit status 139"
    ]
    assert differences(killed, status=132, signal=4) == [
        "end: expected killed by SIGSEGV, got killed by SIGILL"
    ]
    assert differences(killed, status=11, signal=11) == ["exit status: expected 139, got 11"]
    ended = header("expect status: 3")
    assert differences(ended, status=3) == []
    assert differences(ended, status=139, signal=11) == [
        "end: expected exit status 3, got killed by SIGSEGV"
    ]
    assert differences(header("expect status: 139"), status=139, signal=11) == []


REPORT: dict[str, object] = {
    "faults": {"cow_copied": 2, "ok": True},
    "tasks": [{"pid": 2, "comm": "a"}, {"pid": 3, "comm": "b"}, {"pid": 3, "comm": "c"}],
}


@pytest.mark.parametrize(
    ("line", "difference"),
    [
        ("faults.cow_copied: 2", None),
        ("faults.ok: true", None),
        ("tasks[1].comm: b", None),
        ("tasks[pid=2].comm: a", None),
        ('tasks[pid=2].comm: "a"', None),
        ("faults.cow_copied: 3", "expected 3, got 2"),
        ("faults.ok: 1", "expected 1, got true"),
        ("faults.cow: 2", "report.faults has no `cow`; it has: cow_copied, ok"),
        ("faults.cow_copied.x: 2", "report.faults.cow_copied is not an object"),
        ("tasks[3].pid: 2", "report.tasks has 3 elements"),
        ("faults[0]: 2", "report.faults is not a list"),
        ("tasks[pid=9].pid: 9", "0 elements with pid=9, not one"),
        ("tasks[pid=3].comm: b", "2 elements with pid=3, not one"),
    ],
)
def test_values_of_the_report(line: str, difference: str | None) -> None:
    got = differences(header(f"expect report {line}"), report=REPORT)
    if difference is None:
        assert got == []
    else:
        assert len(got) == 1
        assert difference in got[0]
        assert "(header line 1)" in got[0]


def test_without_a_report_its_values_are_not_compared() -> None:
    expected = header("expect report faults.x: 1")
    assert differences(expected, report=None) == []
    assert differences(expected, report={}) != []


def test_a_path_says_how_far_it_leads() -> None:
    with pytest.raises(NotInReport, match=r"report\.tasks\[0\] has no `x`"):
        ReportPath.parse("tasks[0].x").look_up(REPORT)


@given(st.text(alphabet=st.sampled_from("#: \nexpcttitlesoudargnvy-\"'[].=0")))
def test_no_text_raises_anything_but_a_header_error(text: str) -> None:
    with contextlib.suppress(HeaderError):
        parse_header(text, "x.S")


@given(
    st.lists(st.text(st.characters(categories=["L", "N", "P"], include_characters=" "))),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_output_as_written_in_the_header_never_differs(
    lines: list[str], order: random.Random, ordered: bool
) -> None:
    kind = "stdout" if ordered else "stdout-any-order"
    expected = header(*(f"expect {kind}: {line}" for line in lines))
    shuffled = list(lines)
    if not ordered:
        order.shuffle(shuffled)
    assert differences(expected, stdout="".join(line + "\n" for line in shuffled)) == []


@pytest.mark.parametrize(
    "text",
    [
        "// title: t\n// expect stdout:  two blanks\n// expect status: 3\nint x;\n",
        "/* title: t\n * expect stdout:  two blanks\n * expect status: 3\n */\nint x;\n",
        "/* title: t */\n// # expect stdout:  two blanks\n\n/* # expect status: 3 */\n#include <x.h>\n",
    ],
)
def test_a_c_programs_header_stands_in_its_comments(text: str) -> None:
    got = parse_header(text, "x.c")
    assert (got.title, got.stdout[0].lines, got.status) == ("t", (" two blanks",), 3)


def test_directives_of_c_are_no_header() -> None:
    with pytest.raises(HeaderError, match=r"x\.c:2: an `expect` line must stand"):
        parse_header("#define x\n// expect status: 3\n", "x.c")


def test_with_may_be_said_twice() -> None:
    assert parse_header("# with: a.S 'b c.o'\n# with: d.a\n", "x.S").others == (
        "a.S", "b c.o", "d.a",
    )  # fmt: skip
