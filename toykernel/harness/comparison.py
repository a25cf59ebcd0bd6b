"""Whether a run kept what the program's header promises (expectations.py)."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toykernel.harness.exit_status import SIGNALED
from toykernel.harness.expectations import (
    Expectations,
    LineGroup,
    ReportExpectation,
    signal_name,
)
from toykernel.harness.report_path import NotInReport


@dataclass(frozen=True)
class Difference:
    """What a run did otherwise than its header says; `line` is the header's, 1 when it is silent."""

    line: int
    text: str


def compare(
    expectations: Expectations,
    stdout: bytes,
    stderr: bytes,
    status: int,
    signal: int | None,
    report: Mapping[str, object] | None,
) -> list[str]:
    """The differences between a run and its header, one sentence each; empty when there are none.

    `status` is the exit status as a shell sees it (128 + n after signal n), `signal` the number of
    the signal that killed the program. With `report` None (a native run has none) the report's
    expectations are not compared.
    """
    found = differences(expectations, stdout, stderr, status, signal, report)
    return [difference.text for difference in found]


def differences(
    expectations: Expectations,
    stdout: bytes,
    stderr: bytes,
    status: int,
    signal: int | None,
    report: Mapping[str, object] | None,
) -> list[Difference]:
    """What a run did otherwise than its header says,
    each with the line of the header that it contradicts.
    """
    found = _compare_stdout(expectations.stdout, _lines(stdout))
    error_group = LineGroup(expectations.stderr, True, expectations.stderr_numbers)
    found += _compare_group("stderr", error_group, _lines(stderr), 0)
    found += [
        Difference(expectations.end_number, text)
        for text in _compare_end(expectations, status, signal)
    ]
    if report is not None:
        for wanted in expectations.report:
            found += [Difference(wanted.line, t) for t in _compare_report(wanted, report)]
    return found


def _lines(output: bytes) -> list[str]:
    """Lines without their newlines; bytes that are not UTF-8 stay visible as \\xNN."""
    lines = output.decode("utf-8", "backslashreplace").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _compare_stdout(groups: Sequence[LineGroup], lines: Sequence[str]) -> list[Difference]:
    found: list[Difference] = []
    at = 0
    for number, group in enumerate(groups):
        last = number == len(groups) - 1
        end = len(lines) if last else at + len(group.lines)
        found += _compare_group("stdout", group, lines[at:end], at)
        at = end
    if not groups:
        found += _compare_group("stdout", LineGroup((), ordered=True), lines, 0)
    return found


def _compare_group(
    stream: str, group: LineGroup, lines: Sequence[str], before: int
) -> list[Difference]:
    """Compare `lines`, which follow `before` lines already compared, with one group."""
    if not group.ordered:
        missing = Counter(group.lines) - Counter(lines)
        surplus = Counter(lines) - Counter(group.lines)
        return [
            *(
                Difference(
                    group.number(group.lines.index(line)), f"{stream}: missing line `{line}`"
                )
                for line in missing.elements()
            ),
            *(
                Difference(group.number(0), f"{stream}: unexpected line `{line}`")
                for line in surplus.elements()
            ),
        ]
    for at, (wanted, got) in enumerate(zip(group.lines, lines, strict=False)):
        if wanted != got:  # what follows is shifted or wrong as well: one sentence is enough
            text = f"{stream} line {before + at + 1}: expected `{wanted}`, got `{got}`"
            return [Difference(group.number(at), text)]
    if len(lines) < len(group.lines):
        at = len(lines)
        text = f"{stream} line {before + at + 1}: expected `{group.lines[at]}`, output ended"
        return [Difference(group.number(at), text)]
    if len(lines) > len(group.lines):
        at = len(group.lines)
        more = len(lines) - at - 1
        rest = f" and {more} more" if more else ""
        text = f"{stream} line {before + at + 1}: unexpected line `{lines[at]}`{rest}"
        return [Difference(group.number(at), text)]
    return []


def _compare_end(expectations: Expectations, status: int, signal: int | None) -> list[str]:
    def ended(by_status: int, by_signal: int | None) -> str:
        if by_signal is None:
            return f"exit status {by_status}"
        return f"killed by {signal_name(by_signal)}"

    wanted_signal = expectations.signal
    same_signal = signal == wanted_signal or (
        # A status such as 139 says how a shell sees a death by signal.
        wanted_signal is None and signal is not None and expectations.status == SIGNALED + signal
    )
    if same_signal and status == expectations.expected_status:
        return []
    wanted = ended(expectations.expected_status, wanted_signal)
    got = ended(status, signal)
    if wanted == got:  # the signal is right and the status is not
        return [f"exit status: expected {expectations.expected_status}, got {status}"]
    return [f"end: expected {wanted}, got {got}"]


def _compare_report(wanted: ReportExpectation, report: Mapping[str, object]) -> list[str]:
    try:
        got = wanted.path.look_up(report)
    except NotInReport as error:
        return [f"report {wanted.path.text}: {error} (header line {wanted.line})"]
    # In Python True == 1 and 1 == 1.0; in JSON they are different values.
    if got == wanted.value and isinstance(got, bool) == isinstance(wanted.value, bool):
        return []
    where = f"(header line {wanted.line})"
    return [
        f"report {wanted.path.text}: expected {json.dumps(wanted.value)}, "
        f"got {json.dumps(got, default=repr)} {where}"
    ]
