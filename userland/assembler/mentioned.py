"""Which names an expression mentions, and whether the GOT is one of them."""

from __future__ import annotations

from collections.abc import Mapping

from .expressions import GOT_NAME, Binary, Name, Node, Number, Position
from .fragments import SymbolBuild
from .shapes import Fix


def got_fix(fix: Fix) -> Fix:
    """`_GLOBAL_OFFSET_TABLE_` in an instruction is meant from the instruction's start on."""
    away = isinstance(fix.value, Binary) and fix.value.op == "-"
    if fix.width != 4 or fix.relative or not names_got(fix.value):
        return fix
    if away and isinstance(fix.value, Binary) and isinstance(fix.value.right, Position):
        return fix
    return Fix(fix.offset, 4, Binary("+", fix.value, Number(fix.offset)))


def names_got(node: Node) -> bool:
    if isinstance(node, Name):
        return node.name == GOT_NAME
    return isinstance(node, Binary) and (names_got(node.left) or names_got(node.right))


def free_names(node: Node) -> set[str]:
    names: set[str] = set()
    todo = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, Name):
            names.add(item.name.replace("\x01", "#"))
        else:
            todo.extend(
                getattr(item, part) for part in ("left", "right", "operand") if hasattr(item, part)
            )
    return names


def kind_of(node: Node, symbols: Mapping[str, SymbolBuild]) -> str:
    """What another name for `node` names, by `.type`: a function's is a function's, too."""
    name = node.origin if isinstance(node, Position) else getattr(node, "name", None)
    symbol = symbols.get(str(name))
    return symbol.kind if symbol is not None else "notype"
