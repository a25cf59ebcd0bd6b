"""Which tests are about a fault: those whose text has the words of the faulty lines, the rarer the better.

A line that every boot runs is reached by hundreds of tests; the one that notices a fault in it is mostly one
that names what the line is about.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def words_in(text: str) -> set[str]:
    """Parts of names, in small letters: rlimit and nproc of RLIMIT_NPROC."""
    return set(re.findall(r"[a-z]{3,}|\d{2,}", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower()))


@cache
def _functions(path: Path) -> dict[str, str]:
    """The text of each test function of a file, with its decorators."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    return {
        node.name: "\n".join(
            lines[min((d.lineno for d in node.decorator_list), default=node.lineno) - 1 : node.end_lineno]
        )
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }  # fmt: skip


@cache
def _programs(folder: Path) -> dict[str, set[str]]:
    """By name, the words of the C programs below a folder."""
    return {p.stem: words_in(p.read_text(encoding="utf-8")) for p in folder.rglob("*.c")}


@cache
def words_of(root: Path, test: str) -> set[str]:
    """What a test's function, its parameters and the program that these name are about."""
    name, _, function = test.partition("::")
    path = root / name
    plain, _, parameters = function.partition("[")
    text = _functions(path).get(plain, "") if path.exists() else ""
    program = _programs(path.parent).get(parameters.rstrip("]"), set()) if parameters else set()
    return words_in(f"{path.stem} {text} {parameters}") | program


def most_relevant_first(root: Path, about: str, tests: Iterable[str]) -> list[str]:
    """Tests in the order of how much of a text they share: each word is worth more the fewer have it, and
    the less else is in the test.
    """
    wanted = words_in(about)
    shared = {test: wanted & words_of(root, test) for test in tests}
    counts = Counter(word for words in shared.values() for word in words)
    worth = {word: math.log(1 + len(shared) / count) for word, count in counts.items()}

    def relevance(test: str) -> float:
        total = sum(worth[word] for word in sorted(shared[test]))
        return total / math.sqrt(len(words_of(root, test)) or 1)

    return sorted(shared, key=lambda test: (-relevance(test), test))
