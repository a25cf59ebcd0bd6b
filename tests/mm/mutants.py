"""Single faults put into the memory code, one at a time; each must be caught by a test that is named.

    python tests/mm/mutants.py [--only NAME] [--markdown FILE]

Works on a copy of the tree. Ends with 1 when a fault survives, or when its place is not found any more.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT = 180  # seconds for the tests of one fault


@dataclass(frozen=True)
class Mutant:
    """One fault: in a file, this text becomes that."""

    name: str
    path: str
    old: str
    new: str


#: Tried in this order until a test fails.
SUITES = (
    "tests/mm/test_state_machine.py",
    "tests/mm/test_fail_fork.py",
    "tests/mm/test_native_memory.py",
    "tests/mm/test_mappings.py",
    "tests/mm/test_checks.py",
)


def read_mutants(path: Path) -> list[Mutant]:
    """The faults of mutants.txt."""
    found = []
    for block in re.split(r"^== ", path.read_text(), flags=re.MULTILINE)[1:]:
        name, where, *lines = block.rstrip().split("\n")
        old = "\n".join(line[1:] for line in lines if line.startswith("-"))
        new = "\n".join(line[1:] for line in lines if line.startswith("+"))
        found.append(Mutant(name, where.removeprefix("@ "), old, new))
    return found


def run_one(mutant: Mutant, tree: Path) -> str | None:
    """The first test that fails with the fault in place, or None. Raises LookupError."""
    path = tree / mutant.path
    text = path.read_text()
    if text.count(mutant.old) < 1:
        raise LookupError(f"{mutant.name}: {mutant.path} has not got this text any more")
    path.write_text(text.replace(mutant.old, mutant.new, 1))
    try:
        for suite in SUITES:
            found = failing_test(suite, tree)
            if found is not None:
                return found
        return None
    finally:
        path.write_text(text)


def failing_test(suite: str, tree: Path) -> str | None:
    if not (tree / suite).exists():
        return None
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", suite]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["NO_SHRINKING"] = "1"
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIMEOUT,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"{suite} (no end within {TIMEOUT} s)"
    match = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return match[1] if match else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", help="only faults whose name contains this")
    parser.add_argument("--markdown", type=Path, help="write the table there")
    arguments = parser.parse_args()
    rows = []
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        tree = Path(directory) / "tree"
        skip = shutil.ignore_patterns(".git", ".venv", "__pycache__", "build", ".hypothesis")
        shutil.copytree(ROOT, tree, ignore=skip)
        if arguments.only is None:
            for suite in SUITES:  # or every fault would seem to be caught
                found = failing_test(suite, tree)
                if found is not None:
                    print(f"without any fault, {found} fails", file=sys.stderr)
                    return 1
        for mutant in read_mutants(Path(__file__).with_name("mutants.txt")):
            if arguments.only and arguments.only not in mutant.name:
                continue
            try:
                caught = run_one(mutant, tree)
            except LookupError as error:
                print(error, file=sys.stderr)
                survivors += 1
                continue
            survivors += caught is None
            rows.append((mutant, caught))
            print(
                f"{'caught' if caught else 'SURVIVED':9} {mutant.name}: {caught or ''}", flush=True
            )
    if arguments.markdown:
        lines = ["| fault | in | caught by |", "|---|---|---|"]
        lines += [f"| {m.name} | `{m.path}` | `{caught or 'nothing'}` |" for m, caught in rows]
        arguments.markdown.write_text("\n".join(lines) + "\n")
    print(f"{len(rows)} faults, {survivors} not caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
