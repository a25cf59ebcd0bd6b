"""`toykernel test`: run programs against the expectations in their headers."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toykernel.cli.options import count

if TYPE_CHECKING:
    from toykernel.cli.judge import Verdict

MAX_CYCLES = 1_000_000_000
SUFFIXES = (".S", ".s", ".asm", ".c")


@click.command()
@click.option(
    "-k", "words", metavar="WORD", multiple=True, help="Only programs with WORD in their path."
)
@click.option(
    "-j", "--jobs", type=count, metavar="N", help="Processes to use; as many as CPUs by default."
)
@click.option("-v", "--verbose", is_flag=True, help="Name the programs that passed, too.")
@click.option(
    "--max-cycles",
    type=count,
    default=str(MAX_CYCLES),
    metavar="N",
    help="Cycle limit of a program whose header has none (default 1e9).",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
def command(
    paths: tuple[str, ...], words: tuple[str, ...], jobs: int | None, verbose: bool, max_cycles: int
) -> int:
    """Run programs and compare with the `# expect` lines at their top.

    PATH is a program, or a directory that is searched for .S and .c files. Exit status 0 when every
    program kept its promises, 1 when one did not.
    """
    programs = [p for p in find_programs(paths) if not words or any(w in p for w in words)]
    if not programs:
        raise click.UsageError(f"no program {'matches -k' if words else 'found'}")
    jobs = min(jobs or os.cpu_count() or 1, len(programs))
    totals: Counter[str] = Counter()
    with verdicts(programs, jobs, max_cycles) as results:
        for verdict in results:
            totals[verdict.outcome] += 1
            _progress("")
            if verdict.outcome != "passed" or verbose:
                click.echo(f"{verdict.path}: {verdict.outcome}")
            for line in verdict.explanation:
                click.echo(f"  {line}")
            _progress(f"{sum(totals.values())}/{len(programs)} {totals['failed']} failed")
    _progress("")
    summary = f"{totals['passed']} passed, {totals['failed']} failed"
    if totals["without expectations"]:
        summary += f", {totals['without expectations']} without expectations"
    click.echo(summary)
    if totals["failed"]:
        return 1
    if not totals["passed"]:
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
                    if p.suffix in SUFFIXES and p.is_file() and not _is_part(p)
                )  # fmt: skip
                found.update(dict.fromkeys(str(p) for p in sorted(inside)))
            else:
                path.stat()
                found[str(path)] = None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise click.UsageError(f"{path}: {reason}") from None
    return list(found)


def _is_part(path: Path) -> bool:
    """Whether a C source in a directory promises nothing: it is a part of programs then."""
    return path.suffix == ".c" and b"expect" not in path.read_bytes()


def _progress(text: str) -> None:
    """A line that is written over by the next, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


@contextmanager
def verdicts(programs: Sequence[str], jobs: int, max_cycles: int) -> Iterator[Iterator[Verdict]]:
    """What came of each program, in order; Ctrl-C ends the workers."""
    if jobs == 1:
        from toykernel.cli.judge import judge

        yield (judge(program, max_cycles) for program in programs)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from toykernel.cli.judge import judge

    judge_all: Callable[..., Iterator[Verdict]]
    pool = ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("fork"), initializer=_ignore_interrupt
    )
    try:
        judge_all = pool.map
        yield judge_all(judge, programs, [max_cycles] * len(programs))
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    pool.shutdown()


def _ignore_interrupt() -> None:
    """Ctrl-C goes to the whole process group; the parent decides."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
