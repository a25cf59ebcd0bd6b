"""The examples of docs/api.md, docs/snapshots.md and docs/going-back.md run, and give what they say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import toykernel

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/api.md").read_text()


@pytest.mark.parametrize(("page", "at_least"), [("api", 12), ("snapshots", 3), ("going-back", 6)])
def test_the_examples(page: str, at_least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    checked = 0
    text = (ROOT / f"docs/{page}.md").read_text()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        lines = block.splitlines()
        for statement in ast.parse(block).body:
            source = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
            expected = re.search(r"# → (.*)", source)
            if expected is None:
                exec(compile(ast.Module([statement], []), page, "exec"), names)
                continue
            assert isinstance(statement, ast.Expr), source
            code = compile(ast.Expression(statement.value), page, "eval")
            assert eval(code, names) == ast.literal_eval(expected[1]), source
            checked += 1
    assert checked >= at_least


def test_every_name_of_the_package_is_there() -> None:
    for name in toykernel.__all__:
        assert getattr(toykernel, name).__name__ == name
    assert set(toykernel.__all__) <= set(dir(toykernel))
    with pytest.raises(AttributeError):
        toykernel.nothing  # noqa: B018


def test_the_page_names_what_session_has() -> None:
    session = toykernel.Session(ROOT / "userland/hello.S")
    table = TEXT[TEXT.index("## Session") : TEXT.index("## TaskView")]
    names = re.findall(r"`(\w+)(?:\([^`]*\))?`", "".join(r.split("|")[1] for r in table.split("\n")
                                                         if r.startswith("| `")))  # fmt: skip
    assert len(names) > 15
    for name in names:
        assert name == "Session" or hasattr(session, name), name
