"""Macros and their expansion (C99 6.10.3), by hide sets as in Prosser's algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import Problem
from .tokens import PLACE, SPACE, Token, stripped, text_of, tokenize

MAX_TOKENS = 1_000_000


@dataclass(frozen=True)
class Macro:
    """`parameters` is None for an object-like one. `rest` is the parameter that takes the remaining
    arguments: `__VA_ARGS__`, or GNU's named one; "" when there is none."""

    name: str
    body: tuple[Token, ...]
    parameters: tuple[str, ...] | None = None
    rest: str = ""


def parse_define(text: str) -> Macro:
    """What stands behind `#define`. Raises Problem."""
    tokens = stripped(tokenize(text))
    if not tokens or tokens[0].kind != "name":
        raise Problem("`#define' needs a name")
    name = tokens[0].text
    if name == "defined":
        raise Problem("`defined' cannot be a macro's name")
    rest = tokens[1:]
    if not rest or rest[0].text != "(":
        return _checked(Macro(name, tuple(stripped(rest))))
    return _function_like(name, rest[1:])


def _function_like(name: str, tokens: list[Token]) -> Macro:
    parameters: list[str] = []
    variadic = ""
    expect_name = True
    for index, token in enumerate(tokens):
        if token.kind == "space":
            continue
        if token.text == ")":
            if expect_name and parameters:
                raise Problem(f"`#define {name}': a parameter's name is missing")
            body = tuple(stripped(tokens[index + 1 :]))
            return _checked(Macro(name, body, tuple(parameters), variadic))
        if variadic:
            break
        if token.text == "...":
            if expect_name:
                parameters.append("__VA_ARGS__")
            variadic = parameters[-1]
            expect_name = False
        elif token.kind == "name" and expect_name:
            if token.text in parameters:
                raise Problem(f"`#define {name}': two parameters are called `{token.text}'")
            parameters.append(token.text)
            expect_name = False
        elif token.text == "," and not expect_name:
            expect_name = True
        else:
            raise Problem(f"`#define {name}': `{token.text}' in the list of parameters")
    raise Problem(f"`#define {name}(' is never closed")


def _checked(macro: Macro) -> Macro:
    for end in (macro.body[:1], macro.body[-1:]):
        if end and end[0].text == "##":
            raise Problem(f"`##' at one end of macro `{macro.name}'")
    return macro


class Expander:
    """Replaces macros in a list of tokens; `macros` may change between calls."""

    def __init__(self, macros: Mapping[str, Macro]) -> None:
        self._macros = macros
        self._produced = 0

    def expand(self, tokens: list[Token]) -> list[Token]:
        """Raises Problem for a call that is never closed or has a wrong number of arguments."""
        self._produced = 0
        return self._expand(tokens)

    def unfinished(self, tokens: list[Token]) -> bool:
        """Whether a call of a function-like macro is open at the end, to go on in the next line."""
        index = 0
        while index < len(tokens):
            token = tokens[index]
            index += 1
            macro = self._macros.get(token.text) if token.kind == "name" else None
            if macro is None or macro.parameters is None:
                continue
            at = _skip_space(tokens, index)
            if at < len(tokens) and tokens[at].text == "(" and _call_end(tokens, at) is None:
                return True
        return False

    def _expand(self, tokens: list[Token]) -> list[Token]:
        out: list[Token] = []
        todo = tokens[::-1]
        while todo:
            token = todo.pop()
            macro = self._macros.get(token.text) if token.kind == "name" else None
            if macro is None or token.text in token.hidden:
                out.append(token)
                continue
            if macro.parameters is None:
                hidden = token.hidden | {macro.name}
                todo.extend(reversed(self._substitute(macro, [], hidden)))
                continue
            ahead = todo[::-1]
            at = _skip_space(ahead, 0)
            if at >= len(ahead) or ahead[at].text != "(":
                out.append(token)
                continue
            end = _call_end(ahead, at)
            if end is None:
                raise Problem(f"the call of macro `{macro.name}' is never closed")
            arguments = _arguments(macro, ahead[at + 1 : end])
            hidden = (token.hidden & ahead[end].hidden) | {macro.name}
            todo = [*ahead[end + 1 :][::-1], *reversed(self._substitute(macro, arguments, hidden))]
        return out

    def _substitute(
        self, macro: Macro, arguments: list[list[Token]], hidden: frozenset[str]
    ) -> list[Token]:
        given = dict(zip(macro.parameters or (), arguments, strict=False))
        body = macro.body
        out: list[Token] = []
        index = 0
        while index < len(body):
            token = body[index]
            index += 1
            if token.text == "#" and macro.parameters is not None:
                at = _skip_space(body, index)
                if at < len(body) and body[at].text in given:
                    out.append(_stringify(given[body[at].text]))
                    index = at + 1
                    continue
            if token.text == "##" and out:
                index = self._paste(macro, given, out, index)
                continue
            if token.kind == "name" and token.text in given:
                argument = given[token.text]
                at = _skip_space(body, index)
                pasted = at < len(body) and body[at].text == "##"
                out.extend((argument or [PLACE]) if pasted else self._expand(argument))
                continue
            out.append(token)
        self._produced += len(out)
        if self._produced > MAX_TOKENS:
            raise Problem(f"macro `{macro.name}' expands without end")
        return [replace(token, hidden=token.hidden | hidden) for token in out]

    @staticmethod
    def _paste(macro: Macro, given: dict[str, list[Token]], out: list[Token], index: int) -> int:
        """Join the last token of `out` to what stands behind `##`; the index behind that."""
        body = macro.body
        at = _skip_space(body, index)
        while body[at].text == "##":  # several in a row are one
            at = _skip_space(body, at + 1)
        right = list(given.get(body[at].text, [body[at]])) or [PLACE]
        after = _skip_space(body, at + 1)
        if body[at].text == "#" and after < len(body) and body[after].text in given:
            right, at = [_stringify(given[body[after].text])], after
        while out and out[-1].kind == "space":
            out.pop()
        left = out.pop() if out else PLACE
        if left.text == "," and body[at].text == macro.rest:  # GNU: `, ## __VA_ARGS__`
            out.extend([left, *right] if right != [PLACE] else [])
            return at + 1
        joined = tokenize(left.text + right[0].text) or [PLACE]
        out.extend([*joined, *right[1:]])
        return at + 1


def _skip_space(tokens: list[Token] | tuple[Token, ...], index: int) -> int:
    while index < len(tokens) and tokens[index].kind == "space":
        index += 1
    return index


def _call_end(tokens: list[Token], opening: int) -> int | None:
    depth = 0
    for index in range(opening, len(tokens)):
        if tokens[index].text == "(":
            depth += 1
        elif tokens[index].text == ")":
            depth -= 1
            if not depth:
                return index
    return None


def _arguments(macro: Macro, tokens: list[Token]) -> list[list[Token]]:
    wanted = macro.parameters or ()
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.text == "(":
            depth += 1
        elif token.text == ")":
            depth -= 1
        elif token.text == "," and not depth and not (macro.rest and len(parts) == len(wanted)):
            parts.append([])
            continue
        parts[-1].append(token)
    found = [stripped(part) for part in parts]
    if not wanted and found == [[]]:
        return []
    if macro.rest and len(found) == len(wanted) - 1:
        found.append([])
    if len(found) != len(wanted):
        raise Problem(
            f"macro `{macro.name}' takes {len(wanted)} arguments, not {len(found)}",
        )
    return found


def _stringify(tokens: list[Token]) -> Token:
    parts = []
    for token in tokens:
        if token.kind == "space":
            parts.append(SPACE.text)
        elif token.kind in ("string", "char"):
            parts.append(token.text.replace("\\", "\\\\").replace('"', '\\"'))
        else:
            parts.append(token.text)
    return Token("string", '"' + text_of([Token("mark", part) for part in parts]) + '"')
