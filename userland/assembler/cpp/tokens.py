"""Source lines to preprocessing tokens, by the rules that cpp has for assembly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: Identifiers have no `$` in assembly: `$COUNT` is an immediate of the macro COUNT.
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
    |(?P<string>"(?:\\.|[^"\\])*")
    |(?P<char>'(?:\\.|[^'\\])+')
    |(?P<mark>\.\.\.|\#\#|<<|>>|<=|>=|==|!=|&&|\|\||.)""",
    re.X | re.S,
)


@dataclass(frozen=True)
class Token:
    """`kind` is space, name, number, string, char, mark, or place (nothing, where `##` had an empty
    argument). `hidden` are the macros in whose expansion it arose: it is not expanded by them again.
    """

    kind: str
    text: str
    hidden: frozenset[str] = frozenset()


SPACE: Final = Token("space", " ")
PLACE: Final = Token("place", "")


def tokenize(line: str) -> list[Token]:
    """Every character of a line is in exactly one token; a quote that never closes is a mark."""
    return [Token(found.lastgroup or "mark", found.group()) for found in _TOKEN.finditer(line)]


def text_of(tokens: Iterable[Token]) -> str:
    """The tokens as source again."""
    return "".join(token.text for token in tokens)


def stripped(tokens: list[Token]) -> list[Token]:
    """Without white space at both ends."""
    start, end = 0, len(tokens)
    while start < end and tokens[start].kind == "space":
        start += 1
    while end > start and tokens[end - 1].kind == "space":
        end -= 1
    return tokens[start:end]
