"""Verdicts for people, for TAP harnesses and for whoever reads JUnit's XML.

None of the three has times of the host in it: the same programs give the same bytes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

import click

from toykernel.harness.verdict import FAILED, PASSED, SILENT, Verdict


class TextOutput:
    """What failed with its reasons, and the totals; on a terminal the progress as well."""

    def __init__(self, programs: int, verbose: bool) -> None:
        self._programs = programs
        self._verbose = verbose
        self._totals: Counter[str] = Counter()

    def one(self, verdict: Verdict) -> None:
        """Take the verdict of a program: print its reasons when it failed, and count it."""
        self._totals[verdict.outcome] += 1
        _progress("")
        if verdict.outcome != PASSED or self._verbose:
            click.echo(f"{verdict.path}: {verdict.outcome}")
        for line in verdict.explanation:
            click.echo(f"  {line}")
        _progress(f"{self._totals.total()}/{self._programs} {self._totals[FAILED]} failed")

    def end(self, done: Sequence[Verdict]) -> None:
        """Print the totals, after the last program."""
        _progress("")
        summary = f"{self._totals[PASSED]} passed, {self._totals[FAILED]} failed"
        if self._totals[SILENT]:
            summary += f", {self._totals[SILENT]} without expectations"
        click.echo(summary)


def _progress(text: str) -> None:
    """A line that is written over by the next, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


class TapOutput:
    """TAP, version 13 (testanything.org): a plan, a line for each, a YAML block for what failed."""

    def __init__(self, programs: int) -> None:
        self._number = 0
        click.echo(f"TAP version 13\n1..{programs}")

    def one(self, verdict: Verdict) -> None:
        """Print the line of a program, and a YAML block when it failed."""
        self._number += 1
        word = "not ok" if verdict.outcome == FAILED else "ok"
        path = verdict.path.replace("\\", "\\\\").replace("#", "\\#")
        skipped = f" # SKIP {SILENT}" if verdict.outcome == SILENT else ""
        click.echo(f"{word} {self._number} - {path}{skipped}")
        if verdict.explanation:
            click.echo("  ---\n  message: |-")
            for line in verdict.explanation:
                click.echo(f"    {line}")
            click.echo("  ...")

    def end(self, done: Sequence[Verdict]) -> None:
        """All are done: the plan was at the top."""


def junit_xml(done: Sequence[Verdict]) -> str:
    """A test suite as Jenkins, GitLab and others read it; cycles and instructions are properties."""
    totals = Counter(verdict.outcome for verdict in done)
    counts = (
        f'tests="{len(done)}" failures="{totals[FAILED]}" errors="0" skipped="{totals[SILENT]}"'
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites {counts}>",
        f'  <testsuite name="toykernel test" {counts}>',
    ]
    for verdict in done:
        folder, _, name = verdict.path.rpartition("/")
        place = f"classname={_quoted(folder or '.')} name={_quoted(name)}"
        lines += [
            f"    <testcase {place} file={_quoted(verdict.path)}>",
            "      <properties>",
            f'        <property name="instructions" value="{verdict.instructions}"/>',
            f'        <property name="cycles" value="{verdict.cycles}"/>',
            "      </properties>",
        ]
        if verdict.outcome == FAILED:
            text = "\n".join(verdict.explanation)
            first = _quoted(verdict.explanation[0])
            lines.append(f"      <failure message={first}>{escape(_printable(text))}</failure>")
        elif verdict.outcome == SILENT:
            lines.append(f"      <skipped message={_quoted(SILENT)}/>")
        lines.append("    </testcase>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>", ""])


def _quoted(text: str) -> str:
    return quoteattr(_printable(text))


def _printable(text: str) -> str:
    """XML has no place for control characters and lone surrogates, not even escaped."""
    return "".join(
        c
        if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
        else f"\\x{ord(c):02x}"
        for c in text
    )
