"""help and quit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import wrap

from toykernel.debug.commands.command import Command, Console, no_arguments
from toykernel.debug.errors import DebugError
from toykernel.debug.format import table
from toykernel.host_files import read_regular

WIDTH = 80
CLOSING = (
    "`help COMMAND' says more, `help GROUP' a line on each, by a word of its title (help looking). "
    "A beginning of a name is enough; an empty line repeats; Tab completes; `info' lists its topics."
)
Groups = Mapping[str, tuple[Command, ...]]


def help_(console: Console, text: str, groups: Groups, find: Callable[[str], Command]) -> None:
    """The commands by group, those of one group, or more on one command."""
    word = text.split()[0] if text else ""
    titles = [title for title in groups if word and word.lower() in title.lower().split()]
    if titles:
        rows = [(f"{c.name} {c.usage}".rstrip(), c.summary) for c in groups[titles[0]]]
        console.lines(table(rows))
        return
    if text:
        command = find(word)
        names = ", ".join((command.name, *command.aliases))
        title = f"{command.name} {command.usage}".rstrip()
        console.lines(wrap(f"{title}: {command.summary}", WIDTH, subsequent_indent="  "))
        if command.aliases:
            console.write(f"  (also: {names})")
        console.lines(paragraphs(command.help))
        return
    for title, commands in groups.items():
        names = "  ".join(command.name for command in commands)
        console.lines(
            wrap(names, WIDTH, initial_indent=f"{title + ':':<16}", subsequent_indent=" " * 16)
        )
    console.write("")
    console.lines(wrap(CLOSING, WIDTH))


def paragraphs(text: str) -> list[str]:
    """Lines of help, wrapped: plain lines run on; a row of two columns, and lines that are indented as its
    second one, keep their columns."""
    items: list[tuple[str, str]] = []  # the first column with its gap, the rest
    for line in text.splitlines():
        row = re.match(r"(\S+(?: \S+)*  +)(?=\S)(.*)", line)
        if row:
            items.append((row[1], row[2]))
        elif items and (bool(items[-1][0]) == line.startswith(" ")):
            items[-1] = (items[-1][0], f"{items[-1][1]} {line.strip()}")
        else:
            items.append(("", line.strip()))
    lines: list[str] = []
    for first, rest in items:
        indent = " " * (2 + len(first))
        lines += wrap(rest, WIDTH, initial_indent=f"  {first}", subsequent_indent=indent) or [""]
    return lines


def quit_(console: Console, text: str) -> None:
    no_arguments(text)
    console.leaving = True


def help_command(run: Callable[[Console, str], None]) -> Command:
    """The command, whose function knows the table."""
    return Command(
        "help", "[COMMAND|GROUP]", "all commands; those of a group; one of them",
        run, "Groups go by a word of their titles: help running.", ("h", "?"),
    )  # fmt: skip


def source(console: Console, text: str) -> None:
    if not text:
        raise DebugError("source needs a file of commands")
    try:
        lines = read_regular(Path(text).expanduser()).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DebugError(f"cannot read {text}: {reason}") from None
    console.script(lines)


QUIT = (
    Command("source", "FILE", "run the commands in FILE", source,
            "A line that begins with # is a comment. An error does not end it."),
    Command("quit", "", "leave; so does Ctrl-D", quit_, aliases=("q", "exit")),
)  # fmt: skip
