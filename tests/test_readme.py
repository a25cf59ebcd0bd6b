"""What the README shows is what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click import Option

from toykernel.cli.run import command

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def block(command_line: str) -> str:
    """The output that the README shows under a command."""
    found = re.search(rf"    \$ {re.escape(command_line)}\n((?:    .*\n)+)", README)
    assert found is not None
    return re.sub("^    ", "", found[1], flags=re.MULTILINE)


def output(*args: str) -> str:
    """Both streams of a command, in order."""
    done = subprocess.run(
        [sys.executable, "-m", "toykernel.cli.main", *args],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_first_session() -> None:
    assert "run --summary userland/fork_sample.S" in (ROOT / "Makefile").read_text()
    assert output("run", "--summary", "userland/fork_sample.S") == block("make run")


def test_the_trace() -> None:
    shown = block("toykernel run --strace userland/cow_copy_reuse.S")
    assert output("run", "--strace", "userland/cow_copy_reuse.S") == shown


def test_every_option_is_in_the_table() -> None:
    names = {p.opts[0] for p in command.params if isinstance(p, Option)}
    assert sorted(names) == sorted(set(re.findall(r"[` ](--?[A-Za-z-]+)", README)) & names)


def test_every_link_and_path_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    paths = re.findall(r"`((?:emu|toykernel|userland|bench|tests)/[\w./]*)`", README)
    assert len(links) > 5
    assert len(paths) > 10
    assert [p for p in (*links, *paths) if not (ROOT / p).exists()] == []


DOCUMENTS = [ROOT / "README.md", ROOT / "userland/README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Files of the repository stand in backquotes; a name may leave out the folders that a document is about.
FILE = re.compile(r"`((?:[\w-]+/)*[\w-]+\.(?:py|S|inc|md|toml))`")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)[^)]*\)")
#: The programs that docs/testing.md tells the reader to write.
WRITTEN_BY_THE_READER = {"prog.S", "retry.S", "test_prog.py"}
FOLDERS = ("docs", "emu", "toykernel", "userland", "bench", "tests")
FILES = {
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.is_file()
} | {path.name for path in ROOT.iterdir() if path.is_file()}


def missing(document: Path, text: str) -> list[str]:
    """Links that lead nowhere, and names in backquotes that no file's path ends with."""
    dead = [link for link in LINK.findall(text) if not (document.parent / link).exists()]
    ends = {name for path in FILES for name in _ends(path)}
    return dead + [
        name
        for name in FILE.findall(text)
        if name not in ends and name not in WRITTEN_BY_THE_READER
    ]


def _ends(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[at:]) for at in range(len(parts))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    assert missing(document, document.read_text()) == []


def test_a_file_that_has_moved_is_noticed() -> None:
    text = "`kernel/fork.py`, `kernel/spoon.py`, `fork.py` and [this](docs/gone.md)"
    assert missing(ROOT / "README.md", text) == ["docs/gone.md", "kernel/spoon.py"]
