"""Directives, includes and conditions: a source file to the text that the assembler reads.

The output has line markers (`# 12 "file"`), so each line keeps the file and line in which it was written.
In assembly a line that begins with `#` and is no directive is a comment, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import AssemblyError, Problem
from ..source import Location, read_source, string_bytes
from .condition import evaluate
from .lines import Line, logical_lines
from .macros import Expander, Macro, parse_define
from .tokens import Token, text_of, tokenize

MAX_DEPTH: Final = 200
_DIRECTIVE: Final = re.compile(r"\s*#\s*([A-Za-z_]\w*)(.*)", re.S)
#: What gcc -m32 defines for assembly and sources ask for.
PREDEFINED: Final = ("__ASSEMBLER__", "__i386__", "__i386", "i386", "__linux__", "__linux", "linux",
                     "__unix__", "__unix", "unix", "__gnu_linux__", "__ELF__", "__ILP32__")  # fmt: skip


@dataclass
class _Condition:
    """An open #if: is this branch taken, was one already, is the code around it live?"""

    line: int
    taking: bool
    taken: bool
    outer: bool
    seen_else: bool = False


@dataclass
class Preprocessor:
    """One translation. `include` are the folders for `#include`, after the file's own for quotes;
    `system` those looked at last."""

    include: Sequence[Path]
    system: Sequence[Path] = ()
    defines: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._macros: dict[str, Macro] = {}
        self._expander = Expander(self._macros)
        self._out: list[str] = []
        self._conditions: list[_Condition] = []
        self._once: set[str] = set()
        self._renamed: list[tuple[str, int]] = []  # by open file: its name, what #line adds
        self._depth = 0
        for name, value in (dict.fromkeys(PREDEFINED, "1") | dict(self.defines)).items():
            macro = parse_define(f"{name} {value}")
            self._macros[macro.name] = macro

    def run(self, text: str, shown: str, path: Path | None) -> str:
        """The preprocessed text. Raises AssemblyError with the file and line of what is wrong."""
        self._file(text, shown, path)
        return "".join(self._out)

    # -- one file ----------------------------------------------------------------------------------

    def _file(self, text: str, shown: str, path: Path | None) -> None:
        self._depth += 1
        outer = len(self._conditions)
        self._renamed.append((shown, 0))
        self._marker(1, shown)
        lines = logical_lines(text, shown)
        index = 0
        while index < len(lines):
            line = lines[index]
            index += 1
            found = _DIRECTIVE.match(line.text)
            try:
                if found is None:
                    index = self._plain(lines, index)
                elif not self._directive(found.group(1), found.group(2), line, shown, path, outer):
                    self._out.append(line.text + "\n" * line.count)
                    continue
                else:
                    self._out.append("\n" * line.count)
            except Problem as problem:
                raise AssemblyError(shown, line.number, problem.message, problem.hint) from None
            except RecursionError:
                raise AssemblyError(shown, line.number, "macros are nested too deeply") from None
        if len(self._conditions) > outer:
            raise AssemblyError(shown, self._conditions[-1].line, "`#if' without `#endif'")
        self._renamed.pop()
        self._depth -= 1

    def _marker(self, line: int, shown: str) -> None:
        quoted = shown.replace("\\", "\\\\").replace('"', '\\"')
        self._out.append(f'# {line} "{quoted}"\n')

    @property
    def _live(self) -> bool:
        return not self._conditions or self._conditions[-1].taking

    def _plain(self, lines: list[Line], index: int) -> int:
        """Expand a line; a macro call may go on in the next ones. The index behind the last."""
        line = lines[index - 1]
        if not self._live:
            self._out.append("\n" * line.count)
            return index
        count = line.count
        tokens = self._placed(tokenize(line.text), line)
        while self._expander.unfinished(tokens) and index < len(lines):
            following = lines[index]
            index += 1
            count += following.count
            tokens += [Token("space", " "), *self._placed(tokenize(following.text), line)]
        self._out.append(text_of(self._expander.expand(tokens)) + "\n" * count)
        return index

    def _placed(self, tokens: list[Token], line: Line) -> list[Token]:
        name, added = self._renamed[-1]
        places = {"__LINE__": Token("number", str(line.number + added)),
                  "__FILE__": Token("string", f'"{name}"')}  # fmt: skip
        return [
            places.get(token.text, token) if token.kind == "name" else token for token in tokens
        ]

    # -- directives --------------------------------------------------------------------------------

    def _directive(
        self, name: str, rest: str, line: Line, shown: str, path: Path | None, outer: int
    ) -> bool:
        """False when the line is no directive: in assembly, a comment."""
        if name in ("if", "ifdef", "ifndef"):
            self._open(name, rest, line.number)
        elif name in ("elif", "else", "endif"):
            self._branch(name, rest, line, outer)
        elif not self._live:
            return True
        elif name == "define":
            macro = parse_define(rest)
            self._macros[macro.name] = macro
        elif name == "undef":
            self._macros.pop(_one_name(name, rest), None)
        elif name in ("include", "include_next"):
            self._include(rest, line, shown, path, following=name == "include_next")
        elif name == "error":
            raise Problem(f"#error {rest.strip()}")
        elif name == "line":
            self._line(rest, line)
        elif name == "pragma":
            if rest.split() == ["once"]:
                self._once.add(str(path))
        else:
            return name in ("warning", "ident", "sccs", "assert", "unassert")
        return True

    def _line(self, rest: str, line: Line) -> None:
        words = text_of(self._expander.expand(tokenize(rest))).split(None, 1)
        if not words or not words[0].isdigit():
            raise Problem("`#line' takes a line's number")
        name = (
            string_bytes(words[1]).decode(errors="replace")
            if len(words) > 1
            else self._renamed[-1][0]
        )
        self._renamed[-1] = (name, int(words[0]) - line.number - line.count)
        self._marker(int(words[0]) - line.count, name)

    def _open(self, name: str, rest: str, number: int) -> None:
        if len(self._conditions) >= MAX_DEPTH:
            raise Problem("conditions are nested too deeply")
        outer = self._live
        taking = outer and self._truth(name, rest, number)
        self._conditions.append(_Condition(number, taking, taking, outer))

    def _truth(self, name: str, rest: str, number: int) -> bool:
        if name != "if":
            return (_one_name(name, rest) in self._macros) == (name == "ifdef")
        tokens = self._placed(tokenize(rest), Line("", number, 1))
        return evaluate(self._expander.expand(self._answer_defined(tokens)))

    def _branch(self, name: str, rest: str, line: Line, outer: int) -> None:
        if len(self._conditions) <= outer:
            raise Problem(f"`#{name}' without `#if'")
        condition = self._conditions[-1]
        if name == "endif":
            self._conditions.pop()
        elif condition.seen_else:
            raise Problem(f"`#{name}' after `#else'")
        elif name == "else":
            condition.seen_else = True
            condition.taking = condition.outer and not condition.taken
        else:
            wanted = condition.outer and not condition.taken
            condition.taking = wanted and self._truth("if", rest, line.number)
            condition.taken = condition.taken or condition.taking

    def _answer_defined(self, tokens: list[Token]) -> list[Token]:
        """`defined X` and `defined(X)` answered, before macros are replaced."""
        words = [token for token in tokens if token.kind != "space"]
        out: list[Token] = []
        index = 0
        while index < len(words):
            token = words[index]
            index += 1
            if token.text != "defined":
                out.append(token)
                continue
            bracket = index < len(words) and words[index].text == "("
            index += bracket
            if index >= len(words) or words[index].kind != "name":
                raise Problem("`defined' takes the name of a macro")
            out.append(Token("number", str(int(words[index].text in self._macros))))
            index += 1
            if bracket:
                if index >= len(words) or words[index].text != ")":
                    raise Problem("`defined(' is never closed")
                index += 1
        return out

    # -- includes ----------------------------------------------------------------------------------

    def _include(
        self, rest: str, line: Line, shown: str, path: Path | None, *, following: bool
    ) -> None:
        rest = rest.strip()
        if not rest.startswith(('"', "<")):
            rest = text_of(self._expander.expand(tokenize(rest))).strip()
        quoted = rest.startswith('"')
        close = rest.find('"' if quoted else ">", 1)
        if not rest.startswith(('"', "<")) or close < 0:
            raise Problem('`#include\' takes "FILE" or <FILE>')
        name = rest[1:close]
        if self._depth > MAX_DEPTH:
            raise Problem("`#include' is nested too deeply; does a file include itself?")
        found = self._find(name, quoted, path, following)
        if found is None:
            raise Problem(
                f"cannot find `{name}'", "name its folder with -I, or put it beside the source"
            )
        if str(found) not in self._once:
            self._file(
                read_source(found, str(found), Location(shown, line.number)), str(found), found
            )
            name, added = self._renamed[-1]
            self._marker(line.number + added, name)

    def _find(self, name: str, quoted: bool, path: Path | None, following: bool) -> Path | None:
        folders = [*self.include, *self.system]
        if following and path is not None:
            here = [i for i, folder in enumerate(folders) if path.is_relative_to(folder)]
            folders = folders[here[0] + 1 :] if here else folders
        elif quoted and path is not None:
            folders.insert(0, path.parent)
        return next((file for folder in folders if (file := folder / name).is_file()), None)


def _one_name(directive: str, rest: str) -> str:
    words = rest.split()
    if not words or not re.fullmatch(r"[A-Za-z_]\w*", words[0]):
        raise Problem(f"`#{directive}' takes the name of a macro")
    return words[0]
