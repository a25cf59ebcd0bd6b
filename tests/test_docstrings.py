"""A docstring says more than the name that it stands under."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Words that tell nothing by themselves.
EMPTY = frozenset(
    re.findall(
        r"\w+",
        "a an the of its it s is this to in on at for and or with by from one all as that get set",
    )
)


def words(text: str) -> set[str]:
    """Stems, by their first four letters."""
    return {word[:4] for word in re.findall(r"[a-z]+", text.lower()) if word not in EMPTY}


def repeating(source: str, where: str) -> Iterator[str]:
    """Where a docstring has no word that is not in the name, no figure and no formula."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
            name = re.sub(r"([a-z])([A-Z])", r"\1 \2", node.name).replace("sys_", "")
            if words(text) <= words(name) and not re.search(r"\d|=|\bor None\b", text):
                yield f"{where}:{node.lineno} {node.name}: {text}"


def test_no_docstring_only_repeats_a_name() -> None:
    found = [
        line
        for top in ("emu", "toykernel", "userland", "bench")
        for path in sorted((ROOT / top).rglob("*.py"))
        for line in repeating(path.read_text(), str(path.relative_to(ROOT)))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "docstring", "repeats"),
    [
        ("sys_getuid", "getuid.", True),
        ("all_breakpoints", "All the breakpoints.", True),
        ("page_table", "Get the page tables of it.", True),
        ("page_table", "The page table's linear address.", False),
        ("sys_umask", "The old mask.", False),
        ("i486", "The i486, 1989.", False),
        ("tail", "The tail, or None.", False),
    ],
)
def test_what_counts_as_repeating(name: str, docstring: str, repeats: bool) -> None:
    source = f'def {name}():\n    """{docstring}"""\n'
    assert bool(list(repeating(source, "x.py"))) is repeats


def test_a_class_is_looked_at_too() -> None:
    assert list(repeating('class FileTable:\n    """A file table."""\n', "x.py")) == [
        "x.py:1 FileTable: A file table."
    ]
