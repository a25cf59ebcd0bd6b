"""Expressions: GNU as operators and ranks, evaluated by the front end.

An expression is parsed to a tree, then *bound* where it stands: known numbers are folded and
defined labels become positions, so that what is a constant now (and may pick a short encoding)
is told from what is only known after layout, as gas does. Arithmetic is on 64 bits, the width
gas uses; comparisons give -1 for true.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from .errors import Problem


@dataclass(frozen=True)
class Number:
    value: int


@dataclass(frozen=True)
class Name:
    """A symbol by name; '.' is the location counter, '1b' and '1f' are local labels."""

    name: str


@dataclass(frozen=True)
class Position:
    """A place in a section: an offset in bytes into one of its fragments; `origin` is the symbol by which it
    was named."""

    section: str
    fragment: int
    offset: int
    origin: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Register:
    """A register inside an Intel-syntax address."""

    name: str


@dataclass(frozen=True)
class Unary:
    """A unary operation: `op` is one of gas's - ~ !."""

    op: str
    operand: Node


@dataclass(frozen=True)
class Binary:
    """A binary operation of gas, on 64 bits when it is folded."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Modified:
    """operand@KIND: what a relocation of that kind makes of the operand."""

    kind: str
    operand: Node


Node: TypeAlias = Number | Name | Position | Register | Unary | Binary | Modified
GOT_NAME: Final = "_GLOBAL_OFFSET_TABLE_"
MODIFIERS: Final = frozenset(
    ("GOT", "GOTOFF", "GOTPC", "PLT", "NTPOFF", "TPOFF", "TLSGD", "TLSLDM", "DTPOFF", "GOTNTPOFF",
     "INDNTPOFF", "GOTTPOFF", "TLSDESC", "TLSCALL", "SIZE")
)  # fmt: skip

# gas, section "Infix Operators": a higher rank binds tighter.
RANKS: Final = {
    "*": 6, "/": 6, "%": 6, "<<": 6, ">>": 6,
    "|": 5, "!": 5, "^": 5, "&": 5,
    "+": 4, "-": 4,
    "==": 3, "!=": 3, "<>": 3, "<": 3, ">": 3, "<=": 3, ">=": 3,
    "&&": 2,
    "||": 1,
}  # fmt: skip
INTEL_WORDS: Final = {"and": "&", "or": "|", "xor": "^", "shl": "<<", "shr": ">>", "mod": "%"}
INTEL_WORDS_COMPARE: Final = {
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
# Defined between two addresses of one section, whose distance no linker changes.
SAME_SECTION: Final = ("-", "==", "!=", "<>", "<", ">", "<=", ">=")
_EQUAL: Final = ("==", "!=", "<>")
MAX_DEPTH: Final = 100

# A name begins and goes on with ASCII's letters, `_`, `.`, `$`, and whatever is not ASCII; told by what
# may not be in it, since a set up to the last character takes `re` milliseconds to compile.
NAME: Final = r"[^\0-#%-\-/-@\[-^`{-\x7f][^\0-#%-\-/:-@\[-^`{-\x7f]*"
_TOKEN: Final = re.compile(
    rf"""\s*(?:
    (?P<local>\d+[bf](?![\w$.]))
  | (?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)(?![\w$.])
  | (?P<intelhex>\d[0-9a-fA-F]*[hH])(?![\w$.])
  | (?P<char>'(?:\\[0-7]{{1,3}}|\\x[0-9a-fA-F]+|\\.|[^\\]|\Z)'?)
  | (?P<quoted>"(?:\\.|[^"\\])+")
  | (?P<name>{NAME})
  | (?P<spec>@[A-Za-z]+)
  | (?P<op><<|>>|<=|>=|<>|==|!=|&&|\|\||[-+*/%|&^!<>~()\[\]])
  )""",
    re.VERBOSE,
)
_ESCAPES: Final = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "\\": 92, "'": 39, '"': 34}


def wrap64(value: int) -> int:
    """The value as a signed 64-bit number."""
    return ((value + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)


def escape_value(body: str) -> int:
    """The byte that an escape (without its backslash) stands for."""
    if body[0] in "01234567":
        return int(body, 8) & 0xFF
    if body[0] in "xX" and len(body) > 1:
        return int(body[1:], 16) & 0xFF
    if body[0] in _ESCAPES:
        return _ESCAPES[body[0]]
    raise Problem(f"unknown escape `\\{body[0]}'")


def _character(text: str) -> int:
    body = text[1:] or " "  # of which the end of the operand took the blank
    if len(body) > 1 and body.endswith("'") and body != "\\'":
        body = body[:-1]
    if body.startswith("\\"):
        return escape_value(body[1:])
    if ord(body) > 127:
        raise Problem(f"character constant `{body}' is not ASCII", "write its byte as a number")
    return ord(body)


def _integer(text: str) -> int:
    lowered = text.lower()
    if lowered.startswith("0x"):
        value = int(lowered, 16)
    elif lowered.startswith("0b"):
        value = int(lowered, 2)
    elif len(text) > 1 and text[0] == "0":
        if not all(c in "01234567" for c in text):
            raise Problem(f"`{text}' is not an octal number", "a leading 0 means octal")
        value = int(text, 8)
    elif len(text) > 20:
        raise Problem("number needs more than 64 bits")
    else:
        value = int(text)
    if value >= 1 << 64:
        raise Problem(f"`{text}' needs more than 64 bits")
    return wrap64(value)


class Parser:
    """A recursive-descent parser over one operand's text. `registers` names those that may
    appear (Intel syntax only); there, words such as `and`, `shl`, `offset` are operators."""

    def __init__(
        self, text: str, *, intel: bool = False, registers: frozenset[str] = frozenset()
    ) -> None:
        self.text = text
        self.intel = intel
        self.registers = registers
        self.tokens = self._scan()
        self.index = 0
        self.depth = 0

    def _scan(self) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        position, end = 0, len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None or match.lastgroup is None:
                rest = self.text[position:].strip()
                if rest[0] == "@":
                    raise Problem(f"relocation specifier `{rest}' is not supported")
                hex_number = re.match(r"0[xX][0-9a-fA-F]+[hH]\b", rest)
                raise Problem(
                    f"junk `{rest}' in expression",
                    "0x says it already: no h" if hex_number else None,
                )
            kind, token = match.lastgroup, match.group(match.lastgroup)
            if kind == "intelhex":
                raise Problem(f"`{token}' is not a number", "hex numbers are written 0x...")
            if kind == "name" and self.intel:
                word = token.lower()
                if word in INTEL_WORDS:
                    kind, token = "op", INTEL_WORDS[word]
                elif word in INTEL_WORDS_COMPARE:
                    kind, token = "op", INTEL_WORDS_COMPARE[word]
                elif word == "not":
                    kind, token = "op", "~"
            tokens.append((kind, token))
            position = match.end()
        return tokens

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.index] if self.index < len(self.tokens) else ("end", "")

    def parse(self) -> Node:
        """The whole text as one expression; Problem when it is none."""
        node = self._binary(1)
        kind, token = self._peek()
        if kind != "end":
            character = self.tokens[self.index - 1][0] == "char" if self.index else False
            raise Problem(
                f"junk `{token}' after expression `{self.text.strip()}'",
                "a character constant is one character; .ascii has strings" if character else None,
            )
        return node

    def _binary(self, lowest: int) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Problem("expression is nested too deeply")
        left = self._unary()
        while True:
            kind, token = self._peek()
            rank = RANKS.get(token, 0) if kind == "op" else 0
            if rank < lowest or rank == 0:
                break
            self.index += 1
            if token == "!" and self._peek() == ("op", "!"):
                self.index += 1
                token = "^"  # gas takes `!!` between two operands so
            left = fold(Binary(token, left, self._binary(rank + 1)))
        self.depth -= 1
        return left

    def _unary(self) -> Node:
        kind, token = self._peek()
        self.index += 1
        if kind == "op" and token in "-~!+":
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise Problem("expression is nested too deeply")
            operand = self._unary()
            self.depth -= 1
            return operand if token == "+" else fold(Unary(token, operand))
        if kind == "op" and token in "([":
            node = self._binary(1)
            if self._peek() != ("op", ")" if token == "(" else "]"):
                raise Problem(f"missing `)' in `{self.text.strip()}'")
            self.index += 1
            return node
        if kind == "op" and token == "%" and self.registers and self._peek()[0] == "name":
            self.index += 1
            return Register(self.tokens[self.index - 1][1].lower())
        if kind == "number":
            return Number(_integer(token))
        if kind == "local":
            return Name(token)
        if kind == "char":
            return Number(_character(token))
        if kind == "quoted":
            return self._modified(Name(re.sub(r"\\(.)", r"\1", token[1:-1])))
        if kind == "name":
            if token.lower() in self.registers:
                return Register(token.lower())
            if token == "$" and self.intel:
                return Name(".")
            return self._modified(Name(token))
        if kind == "end":
            raise Problem(
                f"missing operand in `{self.text.strip()}'" if self.text.strip()
                else "missing expression"
            )  # fmt: skip
        raise Problem(f"junk `{token}' in expression `{self.text.strip()}'")

    def _modified(self, name: Name) -> Node:
        kind, token = self._peek()
        if kind != "spec":
            return name
        self.index += 1
        if token[1:].upper() not in MODIFIERS:
            raise Problem(f"relocation specifier `{token}' is not supported",
                          f"there are {', '.join('@' + m for m in sorted(MODIFIERS))}")  # fmt: skip
        return Modified(token[1:].upper(), name)


def split_modifier(node: Node) -> tuple[str | None, Node]:
    """The relocation that a sum asks for, and the sum without it; Problem for more than one."""
    if isinstance(node, Modified):
        return node.kind, node.operand
    if isinstance(node, Name) and node.name == GOT_NAME:
        return "GOTPC", node
    if isinstance(node, Binary) and node.op in "+-":
        left, bare_left = split_modifier(node.left)
        right, bare_right = split_modifier(node.right)
        if left is None and right is None:
            return None, node
        if right is not None and (left is not None or node.op == "-"):
            raise Problem("relocation specifiers cannot be combined")
        return left or right, Binary(node.op, bare_left, bare_right)
    return None, node


def parse(text: str, *, intel: bool = False, registers: frozenset[str] = frozenset()) -> Node:
    """The whole text as one expression; what stands behind it is an error. Raises Problem."""
    return Parser(text, intel=intel, registers=registers).parse()


def _truth(condition: bool) -> int:
    return -1 if condition else 0


def apply(op: str, left: int, right: int) -> int:
    """left op right as gas computes it, on 64 bits."""
    if op in ("/", "%"):
        if right == 0:
            raise Problem("division by zero")
        quotient = abs(left) // abs(right)
        if (left < 0) != (right < 0):
            quotient = -quotient
        return wrap64(quotient if op == "/" else left - quotient * right)
    if op in ("<<", ">>"):
        if not 0 <= right < 64:
            raise Problem(f"shift count {right} is not between 0 and 63")
        unsigned = left & ((1 << 64) - 1)
        return wrap64(unsigned << right if op == "<<" else unsigned >> right)
    simple: dict[str, Callable[[], int]] = {
        "*": lambda: left * right,
        "+": lambda: left + right,
        "-": lambda: left - right,
        "|": lambda: left | right,
        "&": lambda: left & right,
        "^": lambda: left ^ right,
        "!": lambda: left | ~right,
        "==": lambda: _truth(left == right),
        "!=": lambda: _truth(left != right),
        "<>": lambda: _truth(left != right),
        "<": lambda: _truth(left < right),
        ">": lambda: _truth(left > right),
        "<=": lambda: _truth(left <= right),
        ">=": lambda: _truth(left >= right),
        "&&": lambda: int(left != 0 and right != 0),
        "||": lambda: int(left != 0 or right != 0),
    }
    return wrap64(simple[op]())


def apply_unary(op: str, value: int) -> int:
    """op value on 64 bits."""
    if op == "-":
        return wrap64(-value)
    return ~value if op == "~" else int(value == 0)


def fold(node: Node) -> Node:
    """Fold the top of a tree whose branches are already folded. A position plus a number stays
    one position, and two positions of one fragment have a known distance."""
    if isinstance(node, Unary):
        if isinstance(node.operand, Number):
            return Number(apply_unary(node.op, node.operand.value))
        return node
    if not isinstance(node, Binary):
        return node
    left, right = node.left, node.right
    if isinstance(left, Number) and isinstance(right, Number):
        return Number(apply(node.op, left.value, right.value))
    if node.op == "+" and isinstance(left, Number) and isinstance(right, Position):
        left, right = right, left
    if isinstance(left, Position):
        if isinstance(right, Number) and node.op in "+-":
            delta = right.value if node.op == "+" else -right.value
            return Position(left.section, left.fragment, left.offset + delta, left.origin)
        if (
            isinstance(right, Position)
            and (left.section, left.fragment) == (right.section, right.fragment)
            and node.op in SAME_SECTION
        ):
            return Number(apply(node.op, left.offset, right.offset))
    if node.op in SAME_SECTION:
        one, other = _named(left), _named(right)
        if one is not None and other is not None and one[0] == other[0]:
            return Number(apply(node.op, one[1], other[1]))
        if isinstance(left, Register) and isinstance(right, Register) and node.op in _EQUAL:
            return Number(_truth((left == right) == (node.op == "==")))
    return node


def _named(node: Node) -> tuple[str, int] | None:
    """A symbol and what is added to it."""
    if isinstance(node, Name):
        return node.name, 0
    if not isinstance(node, Binary) or node.op not in "+-" or not isinstance(node.right, Number):
        return None
    inner = _named(node.left)
    added = node.right.value if node.op == "+" else -node.right.value
    return inner and (inner[0], inner[1] + added)


def bind(node: Node, lookup: Callable[[str], Node]) -> Node:
    """Replace names by what `lookup` knows of them now, and fold."""
    if isinstance(node, Name):
        return lookup(node.name)
    if isinstance(node, Unary):
        return fold(Unary(node.op, bind(node.operand, lookup)))
    if isinstance(node, Binary):
        return fold(Binary(node.op, bind(node.left, lookup), bind(node.right, lookup)))
    if isinstance(node, Modified):
        return Modified(node.kind, bind(node.operand, lookup))
    return node
