"""`toykernel samples`: the programs that come with the package, to look at and to take along."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click

import userland
from toykernel.cli.option_types import FileByName

FOLDER = Path(userland.__file__).parent
INCLUDE = FOLDER / "include"
_INCLUDED = re.compile(r'^\s*[.#]include\s+"([^"]+)"', re.MULTILINE)


def samples() -> dict[str, Path]:
    """Every program and include file, by the name it is asked for."""
    included = (path for path in sorted(INCLUDE.iterdir()) if path.suffix in (".inc", ".h"))
    files = [*sorted(FOLDER.glob("*.S")), *included]
    return {path.stem if path.suffix == ".S" else path.name: path for path in files}


def title(path: Path) -> str:
    """What a program shows: its title, or its first comment."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r"^# title: (.+)", text, re.MULTILINE) or re.search(
        r"^(?:#|/\*) ?(.+?)(?:\*/)?$", text, re.MULTILINE
    )
    return found[1].strip() if found is not None else ""


def included(path: Path) -> list[Path]:
    """The include files of the package that a source needs, those of its includes too."""
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        for name in _INCLUDED.findall(waiting.pop().read_text(encoding="utf-8")):
            other = INCLUDE / name
            if other.is_file() and other not in found:
                found[other] = None
                waiting.append(other)
    return list(found)


def find(value: str) -> Path:
    """A sample by its name, with or without its ending. Raises LookupError."""
    table = samples()
    found = table.get(value.removesuffix(".S"))
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(value, table, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "`toykernel samples list` has all"
        raise LookupError(f"there is no sample {value!r}; {hint}")
    return found


SAMPLE = FileByName("sample", samples, find, title)


@click.group()
def command() -> None:
    """The programs that come with toykernel: each shows one idea.

    toykernel run "$(toykernel samples path fork_sample)" runs one without copying it.
    """


@command.command("list")
@click.argument("word", required=False)
def list_samples(word: str | None) -> int:
    """Print names and titles of the samples with WORD in them, or of all. Raises click.UsageError
    for none.
    """
    table = {name: title(path) for name, path in samples().items()}
    chosen = {n: t for n, t in table.items() if word is None or word.lower() in f"{n} {t}".lower()}
    if not chosen:
        raise click.UsageError(f"no sample has {word!r} in its name or title")
    width = max(map(len, chosen))
    for name, text in chosen.items():
        click.echo(f"{name:<{width}}  {text}")
    return 0


@command.command("show")
@click.argument("sample", type=SAMPLE)
def show_sample(sample: Path) -> int:
    """Print a sample's source."""
    click.echo(sample.read_text(encoding="utf-8"), nl=False)
    return 0


@command.command("path")
@click.argument("sample", type=SAMPLE)
def path_of_sample(sample: Path) -> int:
    """Print the path of a sample's file."""
    click.echo(str(sample))
    return 0


@command.command("copy")
@click.option("-f", "--force", is_flag=True, help="Write over files that are there.")
@click.option(
    "--include",
    "with_includes",
    is_flag=True,
    help="Copy what it includes as well, to DIR/include, for GNU as: as --32 -I include.",
)
@click.argument("names", nargs=-1, required=True, type=SAMPLE, metavar="SAMPLE...")
@click.argument("folder", type=click.Path(), metavar="DIR")
def copy_samples(names: tuple[Path, ...], folder: str, *, force: bool, with_includes: bool) -> int:
    """Copy samples to the folder DIR, which is made when it is not there.

    toykernel finds linux.inc and its kin by itself, wherever the program lies.
    """
    wanted: dict[Path, Path] = {}
    for path in names:
        wanted[Path(folder) / path.name] = path
        for other in included(path) if with_includes else ():
            wanted[Path(folder) / "include" / other.name] = other
    try:
        there = [str(target) for target in wanted if target.exists()]
        if there and not force:
            raise click.UsageError(f"already there: {', '.join(there)}; --force writes over them")
        for target, path in wanted.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.BadParameter(f"cannot copy to {folder}: {reason}", param_hint="DIR") from None
    for target in wanted:
        click.echo(str(target))
    return 0
