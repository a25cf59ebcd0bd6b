"""`toykernel docs`: the documents, as they are with this version."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from toykernel.cli.option_types import FileByName
from toykernel.host_files import shared_folder


def documents() -> dict[str, Path]:
    """Every document by its name."""
    root = shared_folder()
    files = [
        *root.glob("README.md"),
        *root.glob("CHANGELOG.md"),
        *sorted(root.glob("docs/**/*.md")),
    ]
    return {path.stem.lower() if path.parent == root else name(path, root): path for path in files}


def name(path: Path, root: Path) -> str:
    """What a document below docs/ is asked for by: its path there, without the ending."""
    return path.relative_to(root / "docs").with_suffix("").as_posix()


def heading(path: Path) -> str:
    """A document's title."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line[2:].strip() for line in lines if line.startswith("# ")), "")


def find(value: str) -> Path:
    """A document by its name, or enough of it. Raises LookupError."""
    table = documents()
    wanted = value.lower().removesuffix(".md").removeprefix("docs/")
    meant = [n for n in table if n == wanted] or [n for n in table if wanted in n]
    if len(meant) != 1:
        which = f"several fit {value!r}" if meant else f"there is no document {value!r}"
        raise LookupError(f"{which}: {', '.join(meant or table)}")
    return table[meant[0]]


DOCUMENT = FileByName("name", documents, find, heading)


@click.command()
@click.option("--path", "only_path", is_flag=True, help="Print where it lies instead.")
@click.argument("document", required=False, type=DOCUMENT, metavar="[NAME]")
def command(document: Path | None, *, only_path: bool) -> int:
    """Print the document NAME, through a pager on a terminal; without NAME, list them."""
    if document is None:
        found = {title: heading(path) for title, path in documents().items()}
        width = max(map(len, found))
        for title, text in found.items():
            click.echo(f"{title:<{width}}  {text}")
        return 0
    if only_path:
        click.echo(str(document))
    elif sys.stdout.isatty():
        click.echo_via_pager(document.read_text(encoding="utf-8"))
    else:
        click.echo(document.read_text(encoding="utf-8"), nl=False)
    return 0
