"""One program against its header: what `toykernel test` does for each file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from toykernel.cli import run as run_command
from toykernel.cli.attach import attach
from toykernel.cli.load import CannotLoad, make_session
from toykernel.errors import HostError
from toykernel.harness import runner
from toykernel.harness.comparison import Difference, differences
from toykernel.harness.exit_status import EXIT_LIMIT
from toykernel.harness.expectations import (
    Expectations,
    HeaderError,
    parse_header,
)
from toykernel.harness.report import make_report
from toykernel.harness.verdict import FAILED, PASSED, SILENT, Verdict
from toykernel.host_files import NotRegularError, read_regular

#: Options that a header cannot ask for: they are about the host's files and terminal.
HOST_OPTIONS = (
    "report",
    "summary",
    "strace",
    "timeline",
    "process_tree",
    "trace",
    "ftrace",
    "core",
    "cow",
    "record_input",
    "events",
)


def judge(path: str, max_cycles: int) -> Verdict:
    """Run a program and compare. `max_cycles` is for headers that do not say."""
    try:
        expectations = parse_header(read_regular(path).decode("utf-8", "replace"), path)
    except HeaderError as error:
        return Verdict(path, FAILED, (str(error),))
    except OSError as error:
        return Verdict(path, FAILED, (f"{path}: {error.strerror}",))
    except NotRegularError as error:
        return Verdict(path, FAILED, (f"{path}: {error}",))
    if not expectations.says_anything:
        return Verdict(path, SILENT)
    return judge_by(expectations, path, max_cycles)


def judge_by(expectations: Expectations, path: str, max_cycles: int) -> Verdict:
    """Run a program and compare it with a header that need not be its own."""
    try:
        return _run_and_compare(replace(expectations, path=path), max_cycles)
    except CannotLoad as error:
        return Verdict(path, FAILED, tuple(str(error).splitlines()))


def _run_and_compare(expectations: Expectations, max_cycles: int) -> Verdict:
    verdict = Verdict(expectations.path, PASSED)
    if expectations.says_how_it_runs:
        verdict = _run_once(expectations, max_cycles)
    if not expectations.orders:
        return verdict
    try:
        found = _explore(expectations)
    except (click.ClickException, HostError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        found = [Difference(expectations.orders[0].line, f"explore: {message}")]
    lines = tuple(f"{expectations.path}:{one.line}: {one.text}" for one in found)
    outcome = FAILED if found or verdict.outcome == FAILED else PASSED
    return replace(verdict, outcome=outcome, explanation=(*verdict.explanation, *lines))


def _explore(expectations: Expectations) -> list[Difference]:
    """Raises click.ClickException, CannotLoad and HostError."""
    from toykernel.cli import explore as explore_command
    from toykernel.explore.promises import broken

    words = [*_options_of_both(expectations), *expectations.explore]
    values = _values(explore_command.command, expectations, words)
    for name in ("json_file", "schedules"):
        if values[name]:
            raise click.UsageError(f"--{name.removesuffix('_file')} has no place in a header")
    explored = explore_command.explored(expectations.path, expectations.args, values)
    return broken(expectations.orders, explored)


def _options_of_both(expectations: Expectations) -> tuple[str, ...]:
    """What a header asks of the machine, for one run as for all orders: `--sysctl` and the like."""
    parse_options(expectations)
    return tuple(
        word
        for name, word in _pairs(expectations.options)
        if name not in ("--timing", "--max-cycles", "--fail-nth", "--check")
    )


def _pairs(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each word with the option that it is, or whose value it is."""
    found, option = [], ""
    for word in words:
        if word.startswith("-"):
            option = word.partition("=")[0]
        found.append((option, word))
    return found


def _run_once(expectations: Expectations, max_cycles: int) -> Verdict:
    at = expectations.options_number
    try:
        values = parse_options(expectations)
        session = make_session(expectations.path, expectations.args, values, None)
        attach(session.kernel, values)
    except click.ClickException as error:
        text = f"{expectations.path}:{at}: options: {error.format_message()}"
        return Verdict(expectations.path, FAILED, (text,))
    limit = values["max_cycles"]
    result = runner.run(session, max_cycles=limit or max_cycles)
    report = make_report(session, result) if expectations.report else {}
    found = differences(
        expectations, session.stdout, session.stderr, result.status, result.signal, report
    )
    if found and result.message:
        found += [Difference(expectations.end_number, t) for t in result.message.splitlines()]
    if found and result.status == EXIT_LIMIT and limit is None:
        found.append(Difference(at, "no `# options: --max-cycles N`, so the test's limit held"))
    machine = session.kernel.machine
    return Verdict(
        expectations.path,
        FAILED if found else PASSED,
        tuple(f"{expectations.path}:{one.line}: {one.text}" for one in found),
        machine.clock.instructions,
        machine.clock.cycles,
        machine.cpu.driver.name,
    )


def parse_options(expectations: Expectations) -> Mapping[str, Any]:
    """The values of `toykernel run`'s options for a header. Raises click.ClickException."""
    values = _values(run_command.command, expectations, expectations.options)
    for name in HOST_OPTIONS:
        if values[name]:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} has no place in a header")
    return values


def _values(
    command: click.Command, expectations: Expectations, words: Sequence[str]
) -> dict[str, Any]:
    context = command.make_context(
        f"toykernel {command.name}", [*words, "--", expectations.path, *expectations.args]
    )
    values: dict[str, Any] = context.params
    folder = Path(expectations.path).parent  # what a header names lies beside its file
    values["with_files"] = (*values["with_files"], *expectations.others)
    for name in ("with_files", "include"):
        values[name] = tuple(str(folder / path) for path in values[name])
    if values.get("schedule"):
        values["schedule"] = str(folder / values["schedule"])
    return values
