"""One program against its header: what `toykernel test` does for each file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from toykernel.cli import run as run_command
from toykernel.cli.attach import attach
from toykernel.cli.load import CannotLoad, make_session
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
    context = run_command.command.make_context(
        "toykernel run", [*expectations.options, "--", expectations.path, *expectations.args]
    )
    values: dict[str, Any] = context.params
    for name in HOST_OPTIONS:
        if values[name]:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} has no place in a header")
    folder = Path(expectations.path).parent  # what a header names lies beside its file
    values["with_files"] = (*values["with_files"], *expectations.others)
    for name in ("with_files", "include"):
        values[name] = tuple(str(folder / path) for path in values[name])
    return values
