"""What the README shows is what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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
