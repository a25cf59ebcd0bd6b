"""Macros: parameters, the arguments of a call, and substitution."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .errors import Problem
from .source import Location, Statement, character_end, string_end

MAX_EXPANDED_LINE: Final = 1 << 20


@dataclass(frozen=True)
class Parameter:
    """A macro's parameter with its default text."""

    name: str
    default: str = ""
    required: bool = False
    rest: bool = False


@dataclass(frozen=True)
class Macro:
    """A macro: its parameters and its body."""

    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]
    defined_at: Location


def unquote(text: str) -> str:
    """A macro argument without the quotes around it, which gas drops."""
    if len(text) >= 2 and text[0] == '"' and string_end(text, 0) == len(text):
        return text[1:-1]
    return text


def split_arguments(text: str, alternate: bool = False) -> list[str]:
    """Macro arguments: cut at commas, and at blanks that are not around an operator; in `alternate` mode
    not within <>."""
    return _split(text, alternate)[0]


def alternate_argument(text: str, constant: Callable[[str], int]) -> str:
    """An argument as `.altmacro` has it: %EXPRESSION is its value in decimal, <TEXT> and "TEXT" are TEXT, in
    which `!` stands before a character that is meant itself."""
    if text.startswith("%"):
        return str(constant(text[1:]))
    if text[:1] == "<" and _bracket_end(text, 0) == len(text):
        return re.sub(r"!(.)", r"\1", scrubbed(text[1:-1]), flags=re.S)
    return unquote(text)


def _bracket_end(text: str, start: int) -> int:
    """Index after the `>` that closes text[start] == '<'; that of the end when none does."""
    depth, index = 0, start
    while index < len(text):
        if text[index] == "!":
            index += 1
        else:
            depth += (text[index] == "<") - (text[index] == ">")
        index += 1
        if not depth:
            break
    return min(index, len(text))


def _split(text: str, alternate: bool = False) -> tuple[list[str], list[int]]:
    """The same, with where in the stripped text each begins."""
    parts: list[str] = []
    starts = [0]
    current: list[str] = []
    depth, index = 0, 0
    text = text.strip()
    if not text:
        return parts, []
    while index < len(text):
        char = text[index]
        if char in "\"'":
            end = string_end(text, index) if char == '"' else character_end(text, index)
            if end < 0:
                raise Problem("unterminated string")
            current.append(text[index:end])
            index = end
            continue
        if alternate and char == "<" and not current:
            end = _bracket_end(text, index)
            current.append(text[index:end])
            index = end
            continue
        depth += (char in "([") - (char in ")]")
        if char == "," and depth <= 0:
            parts.append("".join(current))
            current = []
            index += 1
            while index < len(text) and text[index].isspace():
                index += 1
            starts.append(index)
            continue
        if char.isspace() and depth <= 0:
            end = index
            while end < len(text) and text[end].isspace():
                end += 1
            following, before = text[end : end + 1], current[-1][-1:] if current else ""
            index = end
            if following == ",":
                continue
            if following in tuple("+-*/|&^<>=)") or before in tuple("+-*/|&^<>=("):
                continue
            parts.append("".join(current))
            current = []
            starts.append(index)
            continue
        current.append(char)
        index += 1
    parts.append("".join(current))
    return parts, starts


_PIECES: Final = re.compile(r"""("(?:\\.|[^"\\])*")|\s*([-+*/|&^<>=(),])\s*|\s+""", re.S)


def scrubbed(text: str) -> str:
    """Text as gas's first reading leaves it: no blanks around operators and commas, else one; strings as
    they are."""
    return _PIECES.sub(lambda found: found.group(1) or found.group(2) or " ", text)


def bind_arguments(
    macro: Macro, rest: str, constant: Callable[[str], int] | None = None
) -> dict[str, str]:
    """Parameter texts of one call; Problem for too many, unknown or missing ones. `constant` evaluates
    %EXPRESSION, and is there in `.altmacro` mode."""
    values = {parameter.name: parameter.default for parameter in macro.parameters}
    given: set[str] = set()
    position = 0
    arguments, starts = _split(rest, constant is not None)
    for index, argument in enumerate(arguments):
        named = re.match(r"([A-Za-z_.$][\w.$]*)=(?!=)", argument)
        if named and named.group(1) in values:
            name, text = named.group(1), argument[named.end() :]
        else:
            if position >= len(macro.parameters):
                raise Problem(f"too many arguments for macro `{macro.name}'",
                              f"it takes {len(macro.parameters)}")  # fmt: skip
            parameter = macro.parameters[position]
            position += 1
            name, text = parameter.name, argument
            if parameter.rest:
                values[name] = scrubbed(rest.strip()[starts[index] :])
                given.add(name)
                break
        if text:
            values[name] = alternate_argument(text, constant) if constant else unquote(text)
            given.add(name)
    for parameter in macro.parameters:
        if parameter.required and parameter.name not in given:
            raise Problem(f"macro `{macro.name}' needs its argument `{parameter.name}'")
    return values


def substitute(text: str, values: dict[str, str], number: int) -> str:
    r"""Replace \name, &name, \@ and \() in a line of a macro's body."""

    def one(match: re.Match[str]) -> str:
        word = match.group(1)
        if word == "@":
            return str(number)
        if word == "()":
            return ""
        return values.get(word, match.group())

    def marked(match: re.Match[str]) -> str:
        return values.get(match.group(1), match.group())

    result = re.sub(r"\\(@|\(\)|[A-Za-z_.$][\w.$]*)", one, text)
    if "&" in text and values:  # gas takes &name& everywhere for \name, also in strings
        result = re.sub(r"&([A-Za-z_.$][\w.$]*)&?", marked, text)
        result = re.sub(r"\\(@|\(\)|[A-Za-z_.$][\w.$]*)", one, result)
    if len(result) > MAX_EXPANDED_LINE:
        raise Problem("a macro's line grows without end")
    return result


def substitute_bare(text: str, values: dict[str, str]) -> str:
    """Replace the names themselves, as `.altmacro` has it; `&` joins a name to its neighbour."""
    out: list[str] = []
    for piece in re.split(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^\\])'?)""", text):
        if piece[:1] in ('"', "'"):
            out.append(piece)
            continue
        out.append(
            re.sub(
                r"&?(?<![\w.$\\])([A-Za-z_.$][\w.$]*)&?",
                lambda match: values.get(match.group(1), match.group()),
                piece,
            )
        )
    return "".join(out)
