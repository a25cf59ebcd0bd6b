"""Every single fault that can be put into a Python file: one operator, number, statement or answer at a time.

What cannot matter to a run is left out: annotations, docstrings, texts and what stands under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Mult: ast.Add,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
}  # fmt: skip
_NO_EFFECT = frozenset(("printk", "print"))


@dataclass(frozen=True)
class Fault:
    """The text between two places of a file becomes another. Lines from 1, columns in bytes from 0."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    new: str
    #: Lines of the function it is in; (0, 0) outside of all.
    function: tuple[int, int]
    #: Lines of the statement it is in, of one with a body those before it.
    statement: tuple[int, int]

    def apply(self, text: str) -> str:
        """The file with the fault in it."""
        lines = text.encode().splitlines(keepends=True)
        head = b"".join(lines[: self.line - 1]) + lines[self.line - 1][: self.column]
        tail = lines[self.end_line - 1][self.end_column :] + b"".join(lines[self.end_line :])
        return (head + self.new.encode() + tail).decode()

    def old(self, text: str) -> str:
        """What stands there."""
        lines = text.encode().splitlines(keepends=True)[self.line - 1 : self.end_line]
        lines[-1] = lines[-1][: self.end_column]
        lines[0] = lines[0][self.column :]
        return b"".join(lines).decode()

    def describe(self, text: str) -> str:
        """`path:line: this becomes that`, in one line."""
        old, new = (" ".join(part.split()) for part in (self.old(text), self.new))
        return f"{self.path}:{self.line}: {old}  ->  {new}"


def faults_of(path: str, text: str) -> list[Fault]:
    """All of a file, in the order of their places."""
    return list(dict.fromkeys(_Finder(path).all(ast.parse(text))))


def compiles(fault: Fault, text: str) -> bool:
    """Whether the file with the fault in it is still Python. To ask it of all faults would take minutes."""
    try:
        compile(fault.apply(text), fault.path, "exec")
    except SyntaxError:
        return False
    return True


class _Finder:
    def __init__(self, path: str) -> None:
        self._path = path
        self._function = (0, 0)
        self._lines = (0, 0)

    def _fault(self, node: ast.expr | ast.stmt, new: str) -> Fault:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        place = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        return Fault(self._path, *place, new, self._function, self._lines)

    def all(self, node: ast.AST) -> Iterator[Fault]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.ImportFrom | ast.Import | ast.Assert | ast.JoinedStr | ast.Global):
            return
        if (
            isinstance(node, ast.keyword) and node.arg == "strict"
        ):  # of zip: the same run, told or not
            return
        outer = self._function
        if isinstance(node, ast.FunctionDef) and not _returns_text(node):
            first = min((d.lineno for d in node.decorator_list), default=node.lineno)
            self._function = (first, node.end_lineno or node.lineno)
        outer_lines = self._lines
        if isinstance(node, ast.stmt):
            self._lines = _head(node)
        yield from self._here(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "bases"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.all(child)
        self._function = outer
        self._lines = outer_lines

    def _here(self, node: ast.AST) -> Iterator[Fault]:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            swapped = ast.Compare(node.left, [_COMPARES[type(node.ops[0])]()], node.comparators)
            yield self._fault(node, f"({ast.unparse(swapped)})")
        elif isinstance(node, ast.BoolOp):
            other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            yield self._fault(node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert | ast.USub):
            yield self._fault(node, f"({ast.unparse(node.operand)})")
        elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            if not isinstance(node.left, ast.Constant) or not isinstance(node.left.value, str):
                swapped_op = ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
                yield self._fault(node, f"({ast.unparse(swapped_op)})")
        elif isinstance(node, ast.Constant):
            yield from self._constant(node)
        elif isinstance(node, ast.IfExp):
            yield self._fault(
                node, f"({ast.unparse(ast.IfExp(node.test, node.orelse, node.body))})"
            )
        elif self._function != (0, 0) and isinstance(node, ast.stmt):
            yield from self._statement(node)

    def _constant(self, node: ast.Constant) -> Iterator[Fault]:
        if isinstance(node.value, bool):
            yield self._fault(node, str(not node.value))
        elif isinstance(node.value, int):
            yield self._fault(node, str(node.value + 1))

    def _statement(self, node: ast.stmt) -> Iterator[Fault]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            if getattr(node.value.func, "id", "") not in _NO_EFFECT:
                yield self._fault(node, "pass")
        elif isinstance(node, ast.AugAssign | ast.Delete | ast.Raise | ast.Break) or _stores(node):
            yield self._fault(node, "pass")
        elif isinstance(node, ast.Continue):
            yield self._fault(node, "break")
        elif isinstance(node, ast.Return) and node.value is None:
            yield self._fault(node, "pass")


def _head(node: ast.stmt) -> tuple[int, int]:
    """First and last line, without those of a body."""
    body: list[ast.stmt] = getattr(node, "body", [])
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min((d.lineno for d in decorators), default=node.lineno)
    last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
    return first, last or first


def _stores(node: ast.stmt) -> bool:
    """An assignment that others see."""
    return isinstance(node, ast.Assign) and isinstance(
        node.targets[0], ast.Attribute | ast.Subscript
    )


def _returns_text(node: ast.FunctionDef) -> bool:
    return node.name in ("__repr__", "__str__")
