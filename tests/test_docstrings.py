"""A docstring says more than the name that it stands under."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Words that tell nothing by themselves.
EMPTY = frozenset(
    "a an the of its it s is this to in on at for and or with by from one all as that get set".split()  # noqa: SIM905
)
#: The debugger prints these: the usage of a command.
USAGE = ROOT / "toykernel/debug/commands"


def words(text: str) -> set[str]:
    """Stems, by their first four letters."""
    return {word[:4] for word in re.findall(r"[a-z]+", text.lower()) if word not in EMPTY}


def repeating(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
            name = re.sub(r"([a-z])([A-Z])", r"\1 \2", node.name).replace("sys_", "")
            if words(text) <= words(name) and not re.search(r"\d|=|\bor None\b", text):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {text}"


def test_no_docstring_only_repeats_a_name() -> None:
    found = [
        line
        for top in ("emu", "toykernel", "userland", "bench")
        for path in sorted((ROOT / top).rglob("*.py"))
        if USAGE not in path.parents
        for line in repeating(path)
    ]
    assert found == []


def test_it_would_be_seen(tmp_path: Path) -> None:
    path = ROOT / "tests" / "conftest.py"
    assert list(repeating(path)) == []
    assert words("Get the page tables of it.") == words("page_tables")
