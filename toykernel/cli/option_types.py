"""Types of options: what their values may look like. Each raises BadParameter, which says what to write."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click import BadParameter

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PAGE_SIZE = 4096
MIN_MEMORY, MAX_MEMORY = 1 << 20, 3 << 30
MIN_STACK = 64 << 10
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}

#: The value of an option that names a file: shells complete it; whoever opens it says what is wrong.
FILE = click.Path(readable=False)


class FileByName(click.ParamType[Path]):
    """A file of the package, asked for by a name of its own."""

    def __init__(
        self,
        name: str,
        table: Callable[[], Mapping[str, Path]],
        find: Callable[[str], Path],
        title: Callable[[Path], str],
    ) -> None:
        """`table` has every name, for completion; `find` raises LookupError, which says what there is."""
        self.name = name
        self._table, self._find, self._title = table, find, title

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        if isinstance(value, Path):
            return value
        try:
            return self._find(value)
        except LookupError as error:
            self.fail(str(error.args[0]), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        found = self._table().items()
        return [
            CompletionItem(n, help=self._title(p)) for n, p in found if n.startswith(incomplete)
        ]


def size(least: int, most: int) -> Callable[[str], int]:
    """A type of option: bytes, whole pages, with an optional suffix K, M or G."""

    def convert(text: str) -> int:
        match = re.fullmatch(r"([0-9]{1,12})([kmg]?)(?:i?b)?", text.strip(), re.IGNORECASE)
        if match is None:
            raise BadParameter(f"{text!r} is not a size; write a number and K, M or G, as in 16M")
        value = int(match[1]) * _UNITS[match[2].lower()]
        if not least <= value <= most:
            bounds = f"{size_text(least)} to {size_text(most)}"
            raise BadParameter(f"{text!r} is out of range: {bounds}")
        if value % PAGE_SIZE:
            raise BadParameter(f"{text!r} is not a multiple of {PAGE_SIZE} bytes")
        return value

    return convert


def size_text(value: int) -> str:
    """A number of bytes with the largest unit that divides it, as --memory takes it: 1M for 1048576."""
    for suffix, unit in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if value % unit == 0:
            return f"{value // unit}{suffix}"
    return str(value)


def count(text: str) -> int:
    """A positive number; digits may be grouped by `_`."""
    if not re.fullmatch(r"[0-9][0-9_]{0,24}", text) or not 0 < int(text) < 1 << 62:
        raise BadParameter(f"{text!r} is not a positive number")
    return int(text)


def assignment(text: str) -> tuple[str, str]:
    """NAME=VALUE in its two parts. Raises BadParameter."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise BadParameter(f"{text!r}: write NAME=VALUE")
    return name, value


def file_mapping(text: str) -> tuple[str, str]:
    """HOST:GUEST, split at the last `:/`; the guest's path is absolute."""
    host, colon, guest = text.rpartition(":/")
    if not host or not colon:
        raise BadParameter(f"{text!r}: write HOST:GUEST, GUEST being an absolute path")
    return host, "/" + guest


#: Resource limits that can be set, by name.
RLIMITS: Mapping[str, Callable[[str], int]] = {"stack": size(MIN_STACK, 1 << 30)}


def rlimit(text: str) -> tuple[str, int]:
    """NAME=SIZE: the limit, and its value in the limit's unit.

    Raises BadParameter for a name not in RLIMITS.
    """
    name, equals, value = text.partition("=")
    if not equals or name not in RLIMITS:
        raise BadParameter(f"{text!r}: write NAME=SIZE, NAME one of {', '.join(RLIMITS)}")
    return name, RLIMITS[name](value)


def nth_point(text: str) -> tuple[str, int]:
    """[CALL:]N; the call is fork when none is named."""
    call, _, number = text.rpartition(":")
    return call or "fork", count(number)


def flags(text: str) -> tuple[str, ...]:
    """Words, quoted as for a shell."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise BadParameter(f"{text!r}: {error}") from None
