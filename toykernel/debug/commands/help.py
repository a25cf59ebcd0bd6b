"""help and quit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from toykernel.debug.commands.command import Command, Console, no_arguments
from toykernel.debug.format import table

Groups = Mapping[str, tuple[Command, ...]]


def help_(console: Console, text: str, groups: Groups, find: Callable[[str], Command]) -> None:
    """All commands by group, or more on one; the table is handed in, because help stands in it."""
    if text:
        command = find(text.split()[0])
        names = ", ".join((command.name, *command.aliases))
        console.write(f"{command.name} {command.usage}".rstrip() + f": {command.summary}")
        if command.aliases:
            console.write(f"  (also: {names})")
        console.lines([f"  {line}" for line in command.help.splitlines()])
        return
    for title, commands in groups.items():
        console.write(f"{title}:")
        rows = [(f"  {c.name} {c.usage}".rstrip(), c.summary) for c in commands]
        console.lines(table(rows))
    console.write(
        "`help COMMAND' says more. A beginning of a name is enough; an empty line repeats."
    )


def quit_(console: Console, text: str) -> None:
    no_arguments(text)
    console.leaving = True


def help_command(run: Callable[[Console, str], None]) -> Command:
    """The entry for help; `run` is bound to the table already."""
    return Command("help", "[COMMAND]", "this, or more on one command", run, aliases=("h", "?"))


QUIT = (Command("quit", "", "leave; so does Ctrl-D", quit_, aliases=("q", "exit")),)
