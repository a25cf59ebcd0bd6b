"""`make fuzz SECONDS=60 SEED=1`: random programs here and on this machine's Linux until the time is over.

Every difference is made as small as it goes and written down as a source and as a case for the corpus.
Exit status: 0 when there was none, 1 when there was, 2 where this machine runs no 32-bit programs.
"""

from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path

import click
from authors import AUTHORS
from case import Case, invent
from run import WAYS, Difference, NotHere, differences
from shrink import shrink

EXIT_DIFFERENT, EXIT_NOT_HERE = 1, 2


@click.command()
@click.option(
    "--seconds", default=60, show_default=True, type=click.IntRange(1), help="For so long."
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="The first case."
)
@click.option("--kind", type=click.Choice(sorted(AUTHORS)), help="Only these; else all in turn.")
@click.option("--cases", type=click.IntRange(1), help="So many of each kind, whatever the time.")
@click.option("--keep-going", is_flag=True, help="Look for more after a difference.")
@click.option(
    "--output",
    default="fuzz-failures",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where failures are written.",
)
def main(
    seconds: int, seed: int, kind: str | None, cases: int | None, keep_going: bool, output: Path
) -> None:
    """Try random programs and broken inputs."""
    end = time.monotonic() + seconds
    authors = [AUTHORS[kind]] if kind else list(AUTHORS.values())
    steps, failures, number = 0, 0, 0
    shown = time.monotonic()
    for number in count(seed):
        if time.monotonic() >= end if cases is None else number >= seed + cases:
            break
        for author in authors:
            case = invent(author, number)
            try:
                found = differences(case, ways(number))
            except NotHere as why:
                click.echo(f"fuzz: {why}", err=True)
                sys.exit(EXIT_NOT_HERE)
            steps += author.count(case.steps)
            if found is not None:
                failures += 1
                report(found, output)
                if not keep_going:
                    sys.exit(EXIT_DIFFERENT)
        if time.monotonic() - shown >= 5:
            shown = time.monotonic()
            click.echo(
                f"fuzz: seeds {seed} to {number}: {steps} steps, {failures} failures", err=True
            )
    click.echo(f"fuzz: seeds {seed} to {number - 1}: {steps} steps, {failures} failures")
    sys.exit(EXIT_DIFFERENT if failures else 0)


def ways(number: int) -> list[str]:
    """The plain way, and one of the others in turn."""
    others = [way for way in WAYS if way != "whole"]
    return ["whole", others[number % len(others)]]


def report(found: Difference, output: Path) -> None:
    """Shrink, write down, tell."""
    case = found.case

    def still(smaller: Case) -> bool:
        try:
            return differences(smaller, [found.way]) is not None
        except ValueError:  # what GNU's assembler does not take is no case
            return False

    click.echo(f"fuzz: {case.author.name} {case.seed}, {found.way}: making it smaller", err=True)
    small = shrink(case, still)
    again = differences(small, [found.way]) or found
    name = output / f"{case.author.name}-{case.seed}"
    output.mkdir(parents=True, exist_ok=True)
    name.with_suffix(".json").write_text(small.text())
    name.with_suffix(".S").write_text(small.author.source(small.steps), errors="surrogateescape")
    click.echo(f"fuzz: {name}.S ({len(small.steps)} steps), {again.way}\n{again.words}")


if __name__ == "__main__":
    main()
