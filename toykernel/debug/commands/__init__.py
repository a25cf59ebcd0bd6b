"""The debugger's commands: one table. A command is a parser and a thin function over Debugger."""

from __future__ import annotations

from difflib import get_close_matches

from toykernel.debug.commands.back import BACK
from toykernel.debug.commands.breaks import BREAKS
from toykernel.debug.commands.change import CHANGE, DISPLAY
from toykernel.debug.commands.command import Command, Console
from toykernel.debug.commands.core import CORE
from toykernel.debug.commands.explain import EXPLAIN
from toykernel.debug.commands.help import QUIT, help_, help_command
from toykernel.debug.commands.info import INFO, tell_topic
from toykernel.debug.commands.memory import MEMORY
from toykernel.debug.commands.run import RUN
from toykernel.debug.commands.source import SOURCE
from toykernel.debug.errors import DebugError


def _help(console: Console, text: str) -> None:
    word, _, topic = text.partition(" ")
    if topic and find(word).name == "info":
        tell_topic(console, topic.strip())
        return
    help_(console, text, GROUPS, find)


#: Group title -> its commands, in the order of the help text.
GROUPS: dict[str, tuple[Command, ...]] = {
    "Running": RUN,
    "Going back": BACK,
    "Breakpoints": BREAKS,
    "Looking": (*INFO, *EXPLAIN, *MEMORY, *SOURCE, *CORE, *DISPLAY),
    "Changing": CHANGE,
    "The debugger": (help_command(_help), *QUIT),
}
COMMANDS: tuple[Command, ...] = tuple(c for group in GROUPS.values() for c in group)


def find(word: str) -> Command:
    """A command by its name, an alias, or a beginning that only it has. Raises DebugError."""
    for command in COMMANDS:
        if word == command.name or word in command.aliases:
            return command
    matches = [c for c in COMMANDS if c.name.startswith(word)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = ", ".join(c.name for c in matches)
        raise DebugError(f'"{word}" is ambiguous: {names}')
    near = get_close_matches(word, [c.name for c in COMMANDS], 1)
    hint = f"did you mean {near[0]}?" if near else "`help' lists the commands"
    raise DebugError(f'no command "{word[:40]}"; {hint}')


__all__ = ["COMMANDS", "GROUPS", "Command", "find"]
