"""`toykernel exercises`: ten exercises on fork and copy-on-write, to hand out and to grade."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toykernel.cli.console import as_utf8
from toykernel.cli.option_types import FILE, FileByName
from toykernel.cli.samples import title
from toykernel.host_files import shared_folder

if TYPE_CHECKING:
    from toykernel.harness.verdict import Verdict

#: An answer that runs longer than this goes round in a circle.
MAX_CYCLES = 20_000_000
MISSING = "missing"


def exercises() -> list[Path]:
    """The starter programs, in order."""
    return sorted((shared_folder() / "exercises").glob("[0-9][0-9]_*.S"))


def find(value: str) -> Path:
    """An exercise by its number or its name. Raises LookupError."""
    number = value.zfill(2) if value.isdigit() else ""
    for path in exercises():
        if value.removesuffix(".S") == path.stem or (number and path.stem.startswith(number)):
            return path
    raise LookupError(f"there is no exercise {value!r}; there are 1 to {len(exercises())}")


EXERCISE = FileByName("exercise", lambda: {path.stem: path for path in exercises()}, find, title)


@click.group()
def command() -> None:
    """Ten exercises on fork and copy-on-write, to hand out and to grade.

    Each is a program that runs, but not as its header says it should. Solved is what
    `toykernel test` accepts. For a class: `toykernel exercises grade STUDENTS/*`.
    """


@command.command("list")
def list_exercises() -> int:
    """Print number and title of every exercise."""
    for path in exercises():
        click.echo(title(path))
    return 0


@command.command("show")
@click.argument("exercise", type=EXERCISE)
def show_exercise(exercise: Path) -> int:
    """Print an exercise: its task and the program to begin with."""
    click.echo(exercise.read_text(encoding="utf-8"), nl=False)
    return 0


@command.command("copy")
@click.argument("folder", type=click.Path(), metavar="DIR")
def copy_exercises(folder: str) -> int:
    """Copy all to the folder DIR, which is made; answers that are there stay as they are."""
    said = []
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path in exercises():
            target = Path(folder) / path.name
            there = target.exists()
            if not there:
                shutil.copyfile(path, target)
            said.append(f"{target}{': is there, left as it is' if there else ''}")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.BadParameter(f"cannot copy to {folder}: {reason}", param_hint="DIR") from None
    click.echo("\n".join(said))
    return 0


@dataclass(frozen=True)
class Graded:
    """What a folder of answers is worth: a verdict for each exercise, None where there is no file."""

    folder: str
    verdicts: tuple[Verdict | None, ...]

    @property
    def points(self) -> int:
        """One point for each exercise that is solved."""
        from toykernel.harness.verdict import PASSED

        return sum(one is not None and one.outcome == PASSED for one in self.verdicts)


def grade(folder: Path) -> Graded:
    """Run every answer in a folder against the exercise's own header, whatever the answer's says."""
    from toykernel.cli.judge import judge_by
    from toykernel.harness.expectations import parse_header

    verdicts: list[Verdict | None] = []
    for path in exercises():
        answer = folder / path.name
        wanted = parse_header(path.read_text(encoding="utf-8"), str(path))
        verdicts.append(judge_by(wanted, str(answer), MAX_CYCLES) if answer.is_file() else None)
    return Graded(str(folder), tuple(verdicts))


@command.command("grade")
@click.option("-v", "--verbose", is_flag=True, help="Say what is wrong with each answer.")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Write the points as CSV, too.")
@click.argument("folders", nargs=-1, required=True, type=click.Path(), metavar="DIR...")
def grade_answers(folders: tuple[str, ...], csv_file: str | None, *, verbose: bool) -> int:
    """Grade the answers in each DIR, one point an exercise.

    A DIR is a student's, and has files of the exercises' names; what is no folder is
    passed over. Exit status 0 when everything is solved, 1 when something is not.
    """
    from toykernel.cli.outputs import Outputs
    from toykernel.harness.verdict import PASSED

    missing = [folder for folder in folders if not Path(folder).exists()]
    if missing:
        raise click.UsageError(f"no folder: {', '.join(missing)}")
    files = [folder for folder in folders if not Path(folder).is_dir()]
    folders = tuple(folder for folder in folders if folder not in files)
    if not folders:
        raise click.UsageError(f"no folder among {', '.join(files)}")
    for name in files:  # among STUDENTS/* there may be some
        click.echo(f"toykernel: {name}: no folder, passed over", err=True)
    answers = [
        ("an answer", str(Path(folder) / path.name)) for folder in folders for path in exercises()
    ]
    outputs = click.get_current_context().with_resource(Outputs(answers))
    table = outputs.open("--csv", csv_file)
    names = [path.stem for path in exercises()]
    graded = []
    for folder in folders:
        one = grade(Path(folder))
        graded.append(one)
        marks = "".join(_mark(verdict) for verdict in one.verdicts)
        click.echo(f"{folder}: {one.points} of {len(names)}  {marks}")
        for name, verdict in zip(names, one.verdicts, strict=True) if verbose else ():
            if verdict is None:
                click.echo(f"  {name}: {MISSING}")
            elif verdict.outcome != PASSED:
                click.echo(f"  {name}: {verdict.outcome}")
                for line in verdict.explanation:
                    click.echo(f"    {line}")
    if table is not None:
        table.write(as_utf8(_csv(names, graded)))
    return 0 if all(one.points == len(names) for one in graded) else 1


def _mark(verdict: Verdict | None) -> str:
    """+ solved, - not yet, . nothing there."""
    from toykernel.harness.verdict import PASSED

    return "." if verdict is None else "+" if verdict.outcome == PASSED else "-"


def _csv(names: list[str], graded: list[Graded]) -> str:
    from toykernel.harness.verdict import PASSED

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["folder", *names, "points"])
    for one in graded:
        points = [int(v is not None and v.outcome == PASSED) for v in one.verdicts]
        rows.writerow([one.folder, *points, one.points])
    return text.getvalue()
