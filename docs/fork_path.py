"""Writes docs/fork-path.md: every numbered behaviour of fork, what it means and where that is written, the
code that makes it, the tests of it.

The explanations are those of fork-path.toml. The numbers stand in docstrings and comments of toykernel/
("fork-path D7", "# D7"; in its assembly, too) and in comments of tests/ ("# D7"); this script finds them, so
the table cannot go stale. `--check` writes nothing and answers 1 when the file is not what the script would
write.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "fork-path.md"

#: By number: what it is called, what it means, where that is written.
BEHAVIOURS: dict[str, dict[str, str]] = tomllib.loads(TABLE.with_suffix(".toml").read_text())
PARTS = {
    "A": "Into the kernel and out again",
    "B": "The callers",
    "C": "do_fork",
    "D": "copy_process, in this order",
    "E": "dup_task_struct",
    "F": "sched_fork and wake_up_new_task",
    "G": "What is copied, what is shared",
    "H": "copy_thread and ret_from_fork",
    "J": "Failure",
    "K": "Copy-on-write",
    "L": "Process numbers, tree and end",
    "N": "Versions",
}
_NUMBER = r"[A-HJ-LN]\d{0,2}"
_CODE = re.compile(rf"(?:fork-path |# )({_NUMBER}(?:(?:-|, | and ){_NUMBER})*)(?![\w.])")
_STEP = re.compile(rf'Step\("({_NUMBER})", (\w+)')
_TEST = re.compile(rf"# ({_NUMBER}(?:(?:-|, | and ){_NUMBER})*)(?![\w])")


def expand(text: str) -> list[str]:
    """`D18, D19` and `F1-F4` as single numbers."""
    return [number for number in _expand(text) if number in BEHAVIOURS]


def _expand(text: str) -> list[str]:
    found: list[str] = []
    for part in re.split(r", | and ", text):
        first, dash, last = part.partition("-")
        if not dash:
            found.append(first)
            continue
        found += [f"{first[0]}{n}" for n in range(int(first[1:]), int(last[1:]) + 1)]
    return found


def _definition(lines: list[str], index: int, *, inside: bool) -> str:
    """The function or class that a line belongs to."""
    for line in reversed(lines[: index + 1]):
        match = re.match(r"\s*(?:def|class) (\w+)", line)
        if match and (inside or line.startswith(("def", "class"))):
            return match[1]
    return ""


def _label(lines: list[str], index: int) -> str:
    """The label that a line of assembly belongs to: a comment of its own stands above it."""
    above = lines[index].startswith("#")
    for line in lines[index:] if above else reversed(lines[: index + 1]):
        match = re.match(r"(?:\.macro (\w+))|([a-z]\w*):", line)
        if match:
            return match[1] or match[2]
    return ""


def _place(path: Path, lines: list[str], index: int) -> str:
    return _label(lines, index) if path.suffix == ".S" else _definition(lines, index, inside=True)


def _homes(folder: Path) -> dict[str, str]:
    """The file of each function at the top level of a module, by name."""
    homes: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        for name in re.findall(r"^def (\w+)", path.read_text(), re.MULTILINE):
            homes.setdefault(name, str(path.relative_to(folder)))
    return homes


def scan(folder: Path, pattern: re.Pattern[str]) -> dict[str, list[str]]:
    """By number: `file:function` of every place that names it."""
    places: dict[str, list[str]] = {}
    homes = _homes(folder)
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.S")]):
        lines = path.read_text().splitlines()
        for index, line in enumerate(lines):
            here = str(path.relative_to(folder))
            named = [(n, here, _place(path, lines, index)) for m in pattern.findall(line)
                     for n in expand(m)]  # fmt: skip
            named += [(n, homes.get(name, here), name) for n, name in _STEP.findall(line)]
            for number, file, function in named:
                where = f"{file}:{function}".rstrip(":")
                if where not in places.setdefault(number, []):
                    places[number].append(where)
    return places


def explanations() -> list[str]:
    """The lines that say what each number means."""
    lines: list[str] = []
    part = ""
    for number, behaviour in BEHAVIOURS.items():
        if number[0] != part:
            part = number[0]
            lines += ["", f"## {part}. {PARTS[part]}"]
        lines += ["", f"**{number}: {behaviour['title']}.**", behaviour["text"].strip()]
        lines += [f"*Source: {behaviour['source']}.*"]
    return lines


def table() -> str:
    """The document."""
    code, tests = scan(ROOT / "toykernel", _CODE), scan(ROOT / "tests", _TEST)
    lines = [
        "# The fork path: behaviour, code, test",
        "",
        "Written by `docs/fork_path.py`; do not edit. The explanations are in `docs/fork-path.toml`.",
        "",
        "What a number means comes first, then a table of the code that does it and the tests that hold it.",
        "Files of Linux are those of 2.6.39 unless another version is named; SDM is volume 3 of Intel's",
        "Software Developer's Manual.",
        *explanations(),
        "",
        "## Code and tests",
        "",
        "Paths are below `toykernel/` and `tests/`.",
        "",
        "| | behaviour | code | tests |",
        "|---|---|---|---|",
    ]
    for number, behaviour in BEHAVIOURS.items():
        cells = [
            "<br>".join(f"`{place}`" for place in places.get(number, ())) or "-"
            for places in (code, tests)
        ]
        lines.append(f"| {number} | {behaviour['title']} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def unexplained() -> list[str]:
    """Numbers that code or tests cite and that nothing here explains. A letter alone, which names a whole
    part, counts only behind the word fork-path."""
    cited: dict[str, None] = {}
    for folder, pattern in ((ROOT / "toykernel", _CODE), (ROOT / "tests", _TEST)):
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.S")]):
            text = path.read_text()
            for match in [*pattern.finditer(text), *_CODE.finditer(text), *_STEP.finditer(text)]:
                sure = match[0].startswith(("fork-path", "Step"))
                cited.update(dict.fromkeys(n for n in _expand(match[1]) if sure or len(n) > 1))
    return [number for number in cited if number not in BEHAVIOURS and number not in PARTS]


def untested() -> list[str]:
    """Behaviours that no test names."""
    tests = scan(ROOT / "tests", _TEST)
    return [number for number in BEHAVIOURS if number not in tests]


def main() -> int:
    """Write the table, or check it."""
    if "--check" in sys.argv[1:]:
        if TABLE.is_file() and TABLE.read_text() == table():
            return 0
        print(f"{TABLE.relative_to(ROOT)} is stale: run python docs/fork_path.py", file=sys.stderr)
        return 1
    TABLE.write_text(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
