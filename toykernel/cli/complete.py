"""What is offered when a shell completes values of options; heavy imports wait for that."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_LABEL = re.compile(r"^\s*([A-Za-z_.][\w.$]*):", re.MULTILINE)
#: Commands of the debugger behind which a label may stand.
_TAKES_LABEL = ("break", "b", "tbreak", "tb", "list", "l", "disassemble")


def _starting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in sorted(set(names)) if name.startswith(incomplete)]


def settings(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the kernel's settings."""
    from toykernel.sysctl import settings as table

    return _starting(table(), incomplete)


def assignments(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The same names, with the equals sign of --sysctl NAME=VALUE."""
    from toykernel.sysctl import settings as table

    return _starting((f"{name}=" for name in table()), incomplete)


def system_calls(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of system calls with the colon of --fail-nth CALL:N."""
    from toykernel.syscall_table import BY_NAME

    return _starting((f"{name}:" for name in BY_NAME), incomplete)


def labels(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Labels of the program on the command line, before the cursor or behind it."""
    return _starting(labels_of(named_programs(ctx.params)), incomplete)


def debugger_commands(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Behind -ex: a command of the debugger, and a label where it takes one."""
    from toykernel.debug.commands import COMMANDS

    word, blank, rest = incomplete.rpartition(" ")
    if not blank:
        return _starting((one.name for one in COMMANDS), incomplete)
    if word.strip() not in _TAKES_LABEL:
        return []
    found = labels_of(named_programs(ctx.params))
    return _starting((f"{word} {name}" for name in found if name.startswith(rest)), incomplete)


def named_programs(params: dict[str, Any]) -> list[Path]:
    """Sources among what has been parsed, and among all words that the shell has."""
    from click.shell_completion import split_arg_string

    words = [params.get("program") or "", *(params.get("inputs") or ())]
    words += split_arg_string(os.environ.get("COMP_WORDS", ""))
    return [Path(word) for word in words if word.endswith((".S", ".s", ".asm"))]


def labels_of(paths: Iterable[Path]) -> list[str]:
    """Names before a colon, as far as the files can be read."""
    found: list[str] = []
    for path in paths:
        try:
            found += _LABEL.findall(path.read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError):
            continue
    return found
