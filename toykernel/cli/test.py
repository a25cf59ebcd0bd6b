"""`toykernel test`: run programs against the expectations in their headers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toykernel.cli.console import as_utf8
from toykernel.cli.option_types import FILE, count
from toykernel.cli.verdict_output import TapOutput, TextOutput, junit_xml
from toykernel.cli.version import say_slow
from toykernel.harness.verdict import FAILED, PASSED

if TYPE_CHECKING:
    from toykernel.harness.verdict import Verdict

MAX_CYCLES = 1_000_000_000
SUFFIXES = (".S", ".s", ".asm", ".c")


@click.command()
@click.option(
    "-k", "words", metavar="WORD", multiple=True, help="Only programs with WORD in their path."
)
@click.option(
    "-j", "--jobs", type=count, metavar="N", help="Processes to use; as many as CPUs by default."
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Use the workers of a Dask cluster, as tcp://HOST:8786; needs the extra [cluster].",
)
@click.option("-v", "--verbose", is_flag=True, help="Name the programs that passed, too.")
@click.option(
    "--max-cycles",
    type=count,
    default=str(MAX_CYCLES),
    metavar="N",
    help="Cycle limit of a program whose header has none (default 1e9).",
)
@click.option(
    "--junit-xml", "junit", type=FILE, metavar="FILE", help="Write the verdicts as JUnit XML, too."
)
@click.option("--tap", is_flag=True, help="Print the verdicts as TAP, version 13.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
def command(
    paths: tuple[str, ...],
    words: tuple[str, ...],
    jobs: int | None,
    cluster: str | None,
    verbose: bool,
    max_cycles: int,
    junit: str | None,
    tap: bool,
) -> int:
    """Run programs and compare with the `# expect` lines at their top.

    PATH is a program, or a directory that is searched for .S and .c files. Exit status 0 when every
    program kept its promises, 1 when one did not. A program without promises is named and counted.
    """
    from toykernel.cli.outputs import Outputs

    programs = [p for p in find_programs(paths) if not words or any(w in p for w in words)]
    if not programs:
        raise click.UsageError(f"no program {'matches -k' if words else 'found'}")
    jobs = min(jobs or os.cpu_count() or 1, len(programs))
    printed = TapOutput(len(programs)) if tap else TextOutput(len(programs), verbose)
    done: list[Verdict] = []
    read = [("a program", program) for program in programs]
    with Outputs(read) as outputs, ExitStack() as workers:
        junit_file = outputs.open("--junit-xml", junit)
        results = workers.enter_context(verdicts(programs, jobs, max_cycles, cluster))
        for verdict in results:
            done.append(verdict)
            printed.one(verdict)
        printed.end(done)
        if junit_file is not None:
            junit_file.write(as_utf8(junit_xml(done)))
    say_slow(done[-1].hooks, sum(verdict.instructions for verdict in done))
    outcomes = {verdict.outcome for verdict in done}
    if FAILED in outcomes:
        return 1
    if PASSED not in outcomes:
        raise click.UsageError("nothing was tested: no program has an `# expect` line")
    return 0


def find_programs(paths: Sequence[str]) -> list[str]:
    """Every program that the paths name, once, in order. Raises click.UsageError."""
    found: dict[str, None] = {}
    for path in map(Path, paths):
        try:
            if path.is_dir():
                inside = (
                    p for p in path.rglob("*")
                    if p.suffix in SUFFIXES and p.is_file() and not is_part(p)
                )  # fmt: skip
                found.update(dict.fromkeys(str(p) for p in sorted(inside)))
            else:
                path.stat()
                found[str(path)] = None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise click.UsageError(f"{path}: {reason}") from None
    return list(found)


def is_part(path: Path) -> bool:
    """Whether a C source in a directory promises nothing: it is a part of programs then."""
    return path.suffix == ".c" and b"expect" not in path.read_bytes()


@contextmanager
def verdicts(
    programs: Sequence[str], jobs: int, max_cycles: int, cluster: str | None = None
) -> Iterator[Iterator[Verdict]]:
    """What came of each program, in order; Ctrl-C ends the workers. Raises click.BadParameter for a cluster
    that is not there.
    """
    from toykernel.cli.judge import judge
    from toykernel.cli.parcel import Parcel, pack
    from toykernel.cli.workers import executors

    with executors(jobs, cluster) as pool:
        if pool is None:
            yield (judge(program, max_cycles) for program in programs)
            return
        limits = [max_cycles] * len(programs)
        executor = pool.make()
        if pool.elsewhere:
            yield executor.map(Parcel.judge, [pack(one) for one in programs], limits)
        else:
            yield executor.map(judge, programs, limits)
        executor.shutdown()
