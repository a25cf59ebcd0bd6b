"""The stream of statements: includes, conditionals, macros and repetition."""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .errors import Problem
from .macros import (
    Macro,
    Parameter,
    alternate_argument,
    bind_arguments,
    split_arguments,
    substitute,
    substitute_bare,
    unquote,
)
from .source import (
    MAX_SOURCE,
    Location,
    Statement,
    error,
    read_source,
    split_operands,
    split_statements,
    string_bytes,
)

MAX_STATEMENTS: Final = 1_000_000
MAX_NESTING: Final = 200

_WORD: Final = re.compile(r"[A-Za-z_.$][\w.$]*")
_LABELS: Final = re.compile(r"\s*((?:[A-Za-z_.$][\w.$]*|\d+)\s*:(?!:)\s*)*")
_LOCAL: Final = re.compile(r"local\s+(.+)", re.I | re.S)
_OPENERS: Final = {".macro": ".endm", ".rept": ".endr", ".irp": ".endr", ".irpc": ".endr"}
_CONDITIONS: Final = frozenset(
    ".if .ifdef .ifndef .ifnotdef .ifeq .ifne .ifge .ifgt .ifle .iflt .ifb .ifnb .ifc .ifnc "
    ".ifeqs .ifnes".split()
)
#: What stands between an .if and its end, and that end; with their older names.
_PARTS: Final = {
    ".else": ".else", ".elsec": ".else", ".elseif": ".elseif", ".endif": ".endif", ".endc": ".endif",
}  # fmt: skip


@dataclass
class _Frame:
    """Statements being read: a file, or one expansion."""

    statements: Sequence[Statement]
    index: int = 0
    path: Path | None = None
    conditions: int = 0


@dataclass
class _Condition:
    """An open .if: whether its present branch is taken, and whether one was already."""

    location: Location
    taking: bool
    taken: bool
    outer: bool
    seen_else: bool = False


@dataclass
class Reader:
    """Yields plain statements. `constant` evaluates an expression that must be known now, and
    `defined` tells whether a symbol is."""

    include: Sequence[Path]
    constant: Callable[[str], int]
    defined: Callable[[str], bool]
    frames: list[_Frame] = field(default_factory=list)
    macros: dict[str, Macro] = field(default_factory=dict)
    conditions: list[_Condition] = field(default_factory=list)
    expansions: int = 0
    alternate: bool = False
    locals_made: int = 0
    produced: int = 0
    #: Files that were looked for, and whether they were there.
    looked_for: dict[str, bool] = field(default_factory=dict)

    def open_text(self, text: str, name: str, path: Path | None) -> None:
        """Read `text` next; `path` is its file, for nested includes."""
        self.frames.append(
            _Frame(split_statements(text, name), path=path, conditions=len(self.conditions))
        )

    def next(self) -> Statement | None:
        """The next statement that is not one of the reader's own, or None at the end."""
        while self.frames:
            frame = self.frames[-1]
            if frame.index >= len(frame.statements):
                self._close(frame)
                continue
            statement = frame.statements[frame.index]
            frame.index += 1
            self.produced += 1
            if self.produced > MAX_STATEMENTS:
                raise error(statement.location, f"more than {MAX_STATEMENTS} statements",
                            "does a macro or .rept expand without end?")  # fmt: skip
            match = _WORD.match(statement.text)
            word = match.group().lower() if match else ""
            if word in _CONDITIONS or word in _PARTS:
                self._conditional(word, statement)
                continue
            if self.conditions and not self.conditions[-1].taking:
                continue
            return statement
        return None

    def _close(self, frame: _Frame) -> None:
        if len(self.conditions) > frame.conditions:
            raise error(self.conditions[-1].location, "`.if' without `.endif'")
        self.frames.pop()

    # -- conditionals ----------------------------------------------------------------------

    def _conditional(self, word: str, statement: Statement) -> None:
        rest = statement.text[len(word) :].strip()
        word = _PARTS.get(word, word)
        where = statement.location
        if word in _CONDITIONS:
            outer = not self.conditions or self.conditions[-1].taking
            taking = outer and self._truth(word, rest, where)
            if len(self.conditions) >= MAX_NESTING:
                raise error(where, "conditionals are nested too deeply")
            self.conditions.append(_Condition(where, taking, taking, outer))
            return
        floor = self.frames[-1].conditions
        if len(self.conditions) <= floor:
            raise error(where, f"`{word}' without `.if'")
        condition = self.conditions[-1]
        if word == ".endif":
            self.conditions.pop()
        elif condition.seen_else:
            raise error(where, f"`{word}' after `.else'")
        elif word == ".else":
            condition.seen_else = True
            condition.taking = condition.outer and not condition.taken
        else:
            condition.taking = (
                condition.outer and not condition.taken and self._truth(".if", rest, where)
            )
            condition.taken = condition.taken or condition.taking

    def _truth(self, word: str, rest: str, where: Location) -> bool:
        try:
            if word in (".ifdef", ".ifndef", ".ifnotdef"):
                if not _WORD.fullmatch(rest):
                    raise Problem(f"`{word}' takes one symbol")
                return self.defined(rest) == (word == ".ifdef")
            if word in (".ifb", ".ifnb"):
                return (not rest) == (word == ".ifb")
            if word in (".ifc", ".ifnc", ".ifeqs", ".ifnes"):
                parts = split_operands(rest)
                if len(parts) != 2:
                    raise Problem(f"`{word}' compares two strings")
                if word in (".ifeqs", ".ifnes"):
                    return (string_bytes(parts[0]) == string_bytes(parts[1])) == (word == ".ifeqs")
                left, right = (part.strip("'") for part in parts)
                return (left == right) == (word == ".ifc")
            value = self.constant(rest)
        except Problem as problem:
            raise error(where, problem.message, problem.hint) from None
        return {
            ".if": value != 0, ".ifne": value != 0, ".ifeq": value == 0, ".ifge": value >= 0,
            ".ifgt": value > 0, ".ifle": value <= 0, ".iflt": value < 0,
        }[word]  # fmt: skip

    # -- blocks ----------------------------------------------------------------------------

    def directive(self, word: str, rest: str, statement: Statement) -> bool:
        """Handle a directive of the reader's; False when it is somebody else's."""
        where = statement.location
        try:
            if word == ".include":
                self._include(rest, where)
            elif word == ".macro":
                self._define(rest, where)
            elif word == ".rept":
                count = self.constant(rest)
                body = self._body(word, where)
                if count < 0:
                    raise Problem(f".rept of {count} times")
                self._check_repeat(count, body)
                self._push([s for _ in range(count) for s in body], where, ".rept")
            elif word in (".irp", ".irpc"):
                self._iterate(word, rest, where)
            elif word in (".altmacro", ".noaltmacro"):
                self.alternate = word == ".altmacro"
            elif word == ".exitm":
                self._exit_macro()
            elif word == ".purgem":
                if self.macros.pop(rest.lower(), None) is None:
                    raise Problem(f"`{rest}' is not a macro")
            elif word in _CONDITIONS or word in _PARTS:
                self._conditional(word, Statement(f"{word} {rest}", where))  # after a label
            else:
                return False
        except Problem as problem:
            raise error(where, problem.message, problem.hint) from None
        return True

    def _check_repeat(self, count: int, body: list[Statement]) -> None:
        if count * len(body) > MAX_STATEMENTS or count > MAX_STATEMENTS:
            raise Problem(f".rept makes more than {MAX_STATEMENTS} statements")

    def _push(self, statements: list[Statement], where: Location, what: str) -> None:
        if len(self.frames) >= MAX_NESTING:
            raise Problem(
                f"{what} is nested more than {MAX_NESTING} deep", "does it expand itself?"
            )
        self.frames.append(_Frame(statements, conditions=len(self.conditions)))

    def _body(self, opener: str, where: Location) -> list[Statement]:
        frame = self.frames[-1]
        closers = [_OPENERS[opener]]
        body: list[Statement] = []
        while frame.index < len(frame.statements):
            statement = frame.statements[frame.index]
            frame.index += 1
            labels = _LABELS.match(statement.text)
            match = _WORD.match(statement.text, labels.end() if labels else 0)
            word = match.group().lower() if match else ""
            if word in _OPENERS:
                closers.append(_OPENERS[word])
            elif word in (".endm", ".endr"):
                if word != closers[-1]:
                    raise error(statement.location, f"`{word}' where `{closers[-1]}' was expected")
                closers.pop()
                if not closers:
                    return body
            body.append(statement)
        raise Problem(f"`{opener}' without `{_OPENERS[opener]}'")

    def binary(self, name: str) -> bytes:
        """The bytes of a file for .incbin, looked for as an include is."""
        path = self._find(name)
        with path.open("rb") as stream:
            data = stream.read(MAX_SOURCE + 1)
        if len(data) > MAX_SOURCE:
            raise Problem(f"`{name}' is larger than {MAX_SOURCE >> 20} MiB")
        return data

    def _find(self, name: str) -> Path:
        if not name or "\0" in name:
            raise Problem("no file name")
        here = next((frame.path for frame in reversed(self.frames) if frame.path), None)
        places = [here.parent] if here else []
        places += list(self.include)
        for place in places:
            path = place / name
            self.looked_for[str(path)] = path.is_file()
            if self.looked_for[str(path)]:
                break
        else:
            looked = (
                ", ".join(dict.fromkeys(map(str, places))) or "nowhere: no include folder given"
            )
            raise Problem(f"include file `{name}' not found", f"looked in {looked}")
        return path

    def _include(self, rest: str, where: Location) -> None:
        name = (string_bytes(rest) if rest[:1] == '"' else rest.encode()).decode(
            "utf-8", "surrogateescape"
        )
        path = self._find(name)
        resolved = path.resolve()
        if any(
            frame.path is not None and frame.path.resolve() == resolved for frame in self.frames
        ):
            raise Problem(f"include file `{name}' includes itself")
        if len(self.frames) >= MAX_NESTING:
            raise Problem("includes are nested too deeply")
        self.open_text(read_source(path, str(path), where), str(path), path)

    def _define(self, rest: str, where: Location) -> None:
        match = _WORD.match(rest)
        if match is None:
            raise Problem("`.macro' without a name")
        name = match.group()
        parameters: list[Parameter] = []
        given = rest[match.end() :].strip().lstrip(",")
        given = re.sub(r"\s*:\s*(req|vararg)\b", r":\1", given)
        for part in split_arguments(given, self.alternate):
            found = re.fullmatch(
                r"([A-Za-z_.$][\w.$]*)(?::(req|vararg))?(?:\s*=\s*(.*))?", part, re.S
            )
            if found is None:
                raise Problem(f"bad parameter `{part}' of macro `{name}'")
            if any(parameter.name == found.group(1) for parameter in parameters):
                raise Problem(f"parameter `{found.group(1)}' of macro `{name}' is named twice")
            if parameters and parameters[-1].rest:
                raise Problem(f"parameter `{found.group(1)}' follows a vararg parameter")
            default = found.group(3) or ""
            default = (
                alternate_argument(default, self.constant) if self.alternate else unquote(default)
            )
            parameters.append(
                Parameter(found.group(1), default,
                          found.group(2) == "req", found.group(2) == "vararg")
            )  # fmt: skip
        body = self._body(".macro", where)
        if name.lower() in self.macros:
            first = self.macros[name.lower()].defined_at
            raise Problem(
                f"macro `{name}' is already defined", f"first at {first.file}:{first.line}"
            )
        self.macros[name.lower()] = Macro(name, tuple(parameters), tuple(body), where)

    def call(self, macro: Macro, rest: str, where: Location) -> None:
        """Read the expansion of a macro next."""
        try:
            values = bind_arguments(macro, rest, self.constant if self.alternate else None)
            values |= self._locals(macro)
            number = self.expansions
            self.expansions += 1
            note = f"in macro `{macro.name}' used at {where.file}:{where.line}"
            used = where.call or (where.file, where.line)
            body = [
                self._expand(s, values, number, where, note, used)
                for s in macro.body if not (self.alternate and _LOCAL.match(s.text))
            ]  # fmt: skip
            self._push([s for s in body if s.text], where, f"macro `{macro.name}'")
        except Problem as problem:
            raise error(where, problem.message, problem.hint) from None

    def _locals(self, macro: Macro) -> dict[str, str]:
        """New names for those that LOCAL lines of the body give."""
        made: dict[str, str] = {}
        for statement in macro.body if self.alternate else ():
            match = _LOCAL.match(statement.text)
            for name in split_operands(match.group(1)) if match else ():
                made[name] = f".LL{self.locals_made:04x}"
                self.locals_made += 1
        return made

    def _expand(
        self,
        statement: Statement,
        values: dict[str, str],
        number: int,
        where: Location,
        note: str,
        used: tuple[str, int] | None = None,
    ) -> Statement:
        text = substitute(statement.text, values, number)
        if self.alternate:
            text = substitute_bare(text, values)
        via = (*where.via, note)[-4:]
        location = statement.location._replace(via=via, call=used or statement.location.call)
        return Statement(text.strip(), location)

    def _iterate(self, word: str, rest: str, where: Location) -> None:
        match = re.match(r"([A-Za-z_.$][\w.$]*)\s*,?\s*", rest)
        if match is None:
            raise Problem(f"`{word}' takes a symbol and values")
        tail = rest[match.end() :]
        values = list(tail.strip().strip('"')) if word == ".irpc" else split_arguments(tail)
        body = self._body(word, where)
        self._check_repeat(len(values), body)
        note = f"in {word} at {where.file}:{where.line}"
        statements = [
            self._expand(statement, {match.group(1): unquote(value)}, self.expansions, where, note)
            for value in values or [""]
            for statement in body
        ]
        self._push([s for s in statements if s.text], where, word)

    def _exit_macro(self) -> None:
        """Out of the innermost macro or repetition, and of the conditions in it."""
        frame = self.frames[-1]
        if frame.path is not None:
            raise Problem("`.exitm' outside a macro")
        self.frames.pop()
        del self.conditions[frame.conditions :]
