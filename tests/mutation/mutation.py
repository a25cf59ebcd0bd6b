"""Put single faults, chosen by chance, into a copy of the tree, one at a time: does a test notice?

    python tests/mutation/mutation.py [--sample N] [--seed N] [--since COMMIT] [--package NAME] ...

The tests of the folders that belong to a package are run once without a fault, which says which of the
faulty lines each of them reaches; then, for each fault, those that reach it, the most relevant and the
quickest first, to the first that fails. A constant of a file is reached where its name is. With --since only
faults in lines that have changed are tried. Ends with 1 when a fault survives that is not explained in
tests/mutation/equivalent.txt.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import json
import os
import py_compile
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from relevance import most_relevant_first
from single_faults import Fault, compiles, faults_of

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
#: Of the tests that reach a fault as many are run as took this long, in seconds, without it.
BUDGET = 60
TIMEOUT = 5 * BUDGET  # seconds, after which the fault counts as an endless loop
_NATIVE = tuple(
    f"tests/programs/test_{name}" + ("" if "::" in name else ".py")
    for name in ("native_edges", "native_small_edges", "native_waits", "native_calls",
                 "native_traps", "native_fault_codes", "native_programs", "glibc_programs", "ptrace",
                 "modes.py::test_the_header_holds", "modes.py::test_nothing_is_left")
)  # fmt: skip
_KERNEL = tuple(
    f"tests/{n}"
    for n in ("kernel", "signal", "sched", "mm", "fs", "ipc", "check/test_kernel_objects.py",
              "explore/test_interrupted.py", "explore/test_outcomes.py", "explore/test_overdue.py",
              "explore/test_quiet_calls.py")
)  # fmt: skip
_TIMING = tuple(
    f"tests/timing/test_{name}.py"
    for name in (
        "book",
        "cycles",
        "microbench",
        "native_agrees",
        "opcode_map",
        "outside",
        "rules",
        "segments",
    )
)
#: What the files that belong to no folder do shows in the kernel's tests, and in these.
_OWN = tuple(
    f"tests/{name}.py"
    for name in ("cli/test_host_files", "cli/test_replacing_files", "debug/test_trap_path",
                 "history/test_moments", "observe/test_errno", "observe/test_tracepoints",
                 "timing/test_cycles")
)  # fmt: skip
#: The source files of each package, as a pattern, and its tests.
PACKAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    package: (f"toykernel/{package}/**/*.py", (*_KERNEL, *_NATIVE))
    for package in ("kernel", "mm", "fs", "arch", "ipc", "net", "tty")
} | {
    "own": ("toykernel/*.py", (*_KERNEL, *_NATIVE, *_OWN)),
    "emu": ("emu/**/*.py", ("tests/emu", *_TIMING)),
}
#: Too slow to be tried for every fault; the faults of tests/mm/mutants.txt have them.
SLOW = (
    "tests/emu/test_blocks.py", "tests/emu/test_paging_sweep.py", "tests/kernel/test_fuzz.py",
    "tests/mm/test_model_search.py", "tests/mm/test_state_machine.py", "tests/mm/test_fail_fork.py",
    "tests/mm/test_native_memory.py",
)  # fmt: skip
#: These look at every number outside of functions, by their modules' names: no line of theirs tells it.
_CONSTANTS = ("tests/kernel/test_header_constants.py",)
#: Tests of the text of files, which any fault changes.
_ABOUT_TEXT = ("tests/mm/test_mutants.py",)


@dataclass(frozen=True)
class Reach:
    """What each test reaches: "path:line" of the functions it calls, and of those lines that were watched."""

    watched: frozenset[str]
    tests: dict[str, tuple[float, frozenset[str]]]


@dataclass(frozen=True)
class Result:
    """One fault, and what has become of it."""

    package: str
    text: str
    caught_by: str | None
    explanation: str | None


class Tree:
    """A copy of the project, to put faults into."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "tree"
        skip = shutil.ignore_patterns(
            ".git", ".venv", "__pycache__", "build", ".hypothesis", ".*_cache"
        )
        shutil.copytree(ROOT, self.path, ignore=skip)
        # Checked by hash: a file with a fault in it is compiled anew, within the same second too.
        checked = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(self.path, quiet=2, invalidation_mode=checked)
        path = os.pathsep.join((str(self.path), str(self.path / "tests/mutation")))
        self._environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def pytest(
        self,
        *arguments: str,
        timeout: float | None = None,
        variables: dict[str, str] | None = None,
        first: bool = True,
    ) -> str | None:
        """The first test that fails, or None; all are run when it is not the first that is wanted."""
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        if first:
            command.append("-x")
        try:
            done = subprocess.run(
                command,
                cwd=self.path,
                env=self._environment | (variables or {}),
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"(no end within {timeout:g} s)"
        match = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        if match:
            return match[1]
        return None if done.returncode in (0, 5) else f"(pytest ends with {done.returncode})"

    def reach_of(self, folders: tuple[str, ...], lines: set[str], directory: Path) -> Reach:
        """What each test reaches, of these lines. Raises RuntimeError when none passes without any fault.

        What is known from before knows the functions of all faults, but the lines only of those before.
        """
        parts = [self._reach_of_one(folder, lines, directory) for folder in folders]
        tests = {test: found for part in parts for test, found in part.tests.items()}
        if not tests:
            raise RuntimeError("no test that could notice a fault")
        return Reach(frozenset.intersection(*(part.watched for part in parts)), tests)

    def _reach_of_one(self, folder: str, lines: set[str], directory: Path) -> Reach:
        digest = hashlib.sha1(folder.encode()).hexdigest()[:8]
        report, watched = directory / f"reach-{digest}.json", directory / f"watched-{digest}"
        if not report.exists():
            print(f"what {folder} reaches", file=sys.stderr)
            watched.write_text("\n".join(sorted(lines)), encoding="utf-8")
            ignored = [f"--ignore={path}" for path in (*SLOW, *_ABOUT_TEXT)]
            # Traced, a test takes several times as long.
            patient = ("-o", "faulthandler_exit_on_timeout=false")
            variables = {"REACH": str(report.resolve()), "REACH_LINES": str(watched.resolve())}
            failed = self.pytest(
                "-p", "reach", *patient, *ignored, folder, variables=variables, first=False
            )
            if failed is not None:
                print(f"without any fault, {failed} fails: it is not used", file=sys.stderr)
        found: dict[str, tuple[float, list[str]]] = json.loads(report.read_text(encoding="utf-8"))
        tests = {test: (seconds, frozenset(names)) for test, (seconds, names) in found.items()}
        return Reach(frozenset(watched.read_text(encoding="utf-8").split()), tests)

    def first_to_fail(self, fault: Fault, reach: Reach) -> str | None:
        """The test that notices the fault."""
        path = self.path / fault.path
        text = path.read_text(encoding="utf-8")
        path.write_text(fault.apply(text), encoding="utf-8")
        try:
            tests = reaching(fault, reach)
            listed = self.path / "tests-of-the-fault"
            listed.write_text("\n".join(tests), encoding="utf-8")
            return self.pytest(f"@{listed}", timeout=TIMEOUT) if tests else None
        finally:
            path.write_text(text, encoding="utf-8")


def lines_of(fault: Fault) -> set[str]:
    """The lines of its statement; of one outside of all functions, those that have the name it gives."""
    if fault.function != (0, 0):
        first, last = fault.statement
        return {f"{fault.path}:{line}" for line in range(first, last + 1)}
    text = (ROOT / fault.path).read_text(encoding="utf-8").splitlines()
    name = re.match(r"[A-Za-z_]\w*", text[fault.statement[0] - 1])
    return lines_with(name[0]) if name else set()


@cache
def lines_with(name: str) -> set[str]:
    """Where a word is, in all sources."""
    word = re.compile(rf"\b{name}\b")
    return {
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("toykernel", "emu")
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if name in line and word.search(line)
    }


def reaching(fault: Fault, reach: Reach) -> list[str]:
    """Those that reach its lines, as many as BUDGET allows: for half of it those that are most about them,
    then the quickest.

    Where its lines were not watched, those that call the function it is in. Outside of functions those of all
    constants come first; when none reaches its name, those that call any of its file.
    """
    first, last = fault.function
    lines = lines_of(fault)

    def calls(name: str) -> bool:
        path, _, line = name.rpartition(":")
        return path == fault.path and (not first or first <= int(line) <= last)

    found: dict[str, float] = {}
    if lines <= reach.watched:
        found = {test: s for test, (s, names) in reach.tests.items() if names & lines}
    if not found and (not first or not lines <= reach.watched):
        found = {test: s for test, (s, names) in reach.tests.items() if any(map(calls, names))}
    chosen: dict[str, float] = {}
    if not first and fault.path.startswith("toykernel"):
        chosen = dict.fromkeys(_CONSTANTS, 0.0)
    relevant = most_relevant_first(ROOT, about(fault), found)
    for budget, tests in ((BUDGET / 2, relevant), (BUDGET, sorted(found, key=found.__getitem__))):
        for test in tests:
            if sum(chosen.values()) + found[test] <= budget or not chosen:
                chosen[test] = found[test]
    return list(chosen)


def about(fault: Fault) -> str:
    """The text of a fault's statement, with the names of its function and file."""
    path = ROOT / fault.path
    text = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    (first, last), (head, _) = fault.statement, fault.function
    name = next((line for line in text[head - 1 :] if "def " in line), "") if head else ""
    return "\n".join((path.stem, name.partition("(")[0], *text[first - 1 : last]))


def all_faults(package: str, changed: dict[str, set[int]] | None) -> list[Fault]:
    """Every fault of a package, or every one in lines that have changed."""
    found: list[Fault] = []
    for path in sorted(ROOT.glob(PACKAGES[package][0])):
        name = str(path.relative_to(ROOT))
        if changed is None or name in changed:
            faults = faults_of(name, path.read_text(encoding="utf-8"))
            found += [f for f in faults if changed is None or f.line in changed[name]]
    return found


def changed_lines(since: str) -> dict[str, set[int]]:
    """By file, the lines that are new or other than in a commit."""
    command = ["git", "diff", "--unified=0", since, "--", "*.py"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: dict[str, set[int]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("+++ b/"):
            name = line.removeprefix("+++ b/")
        elif match := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            start, count = int(match[1]), int(match[2] or 1)
            found.setdefault(name, set()).update(range(start, start + count))
    return found


def choose(faults: dict[str, list[Fault]], sample: int, seed: int) -> list[tuple[str, Fault]]:
    """So many of them, each as likely as any other."""
    everything = [(package, fault) for package, found in faults.items() for fault in found]
    chosen = random.Random(seed).sample(everything, min(sample, len(everything)))
    return [(p, f) for p, f in chosen if compiles(f, (ROOT / f.path).read_text(encoding="utf-8"))]


def explanations() -> dict[str, str]:
    """Faults that no test can notice, and why: tests/mutation/equivalent.txt."""
    found: dict[str, str] = {}
    for block in EQUIVALENT.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        for line in lines[:-1]:
            found[line] = lines[-1].strip()
    return found


def place_free(text: str) -> str:
    """A fault's description without the line's number, which changes."""
    return re.sub(r"^(\S+?):\d+:", r"\1:", text)


def table(results: list[Result]) -> str:
    """The score by package."""
    total, caught = (
        Counter(r.package for r in results),
        Counter(r.package for r in results if r.caught_by),
    )
    excused = Counter(r.package for r in results if r.explanation)
    rows = [f"{'package':8} {'faults':>6} {'caught':>6} {'equivalent':>10}  score"]
    for package in (*sorted(total), None):
        n, c, e = (
            sum(x.values()) if package is None else x[package] for x in (total, caught, excused)
        )
        score = f"{c / (n - e):.0%}" if n > e else "-"
        rows.append(f"{package or 'all':8} {n:6} {c:6} {e:10}  {score}")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, default=200, help="how many faults (200)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument(
        "--later-seed", type=int, action="append", default=[],
        help="with --reach: watch the lines of these samples too, for runs to come",
    )  # fmt: skip
    parser.add_argument("--since", help="only in lines that differ from this commit")
    parser.add_argument("--package", action="append", choices=PACKAGES, help="only these")
    parser.add_argument(
        "--reach", type=Path, help="a folder: what each test reaches is kept there, and used again"
    )
    parser.add_argument("--markdown", type=Path, help="write the table of all faults there")
    arguments = parser.parse_args()
    changed = changed_lines(arguments.since) if arguments.since else None
    packages = arguments.package or list(PACKAGES)
    faults = {p: all_faults(p, changed) for p in packages}
    chosen = choose(faults, arguments.sample, arguments.seed)
    known = explanations()
    results: list[Result] = []
    later = [f for seed in arguments.later_seed for f in choose(faults, arguments.sample, seed)]
    lines = {line for _, fault in (*chosen, *later) for line in lines_of(fault)}
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        tree = Tree(Path(name))
        reach: dict[tuple[str, ...], Reach] = {}
        for package, fault in chosen:
            folders = PACKAGES[package][1]
            if folders not in reach:
                try:
                    reach[folders] = tree.reach_of(folders, lines, arguments.reach or Path(name))
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    return 1
            text = fault.describe((ROOT / fault.path).read_text(encoding="utf-8"))
            caught = tree.first_to_fail(fault, reach[folders])
            why = None if caught else known.get(place_free(text))
            results.append(Result(package, text, caught, why))
            verdict = "caught" if caught else "equivalent" if why else "SURVIVED"
            print(f"{verdict:10} {text}\n{'':10} {caught or why or ''}", flush=True)
    print(table(results))
    if arguments.markdown:
        write_markdown(arguments.markdown, results)
    return int(any(not r.caught_by and not r.explanation for r in results))


def write_markdown(path: Path, results: list[Result]) -> None:
    """The table of all faults."""
    rows = ["| package | fault | caught by |", "|---|---|---|"]
    for r in results:
        text = r.text.replace("|", "\\|")
        rows.append(f"| {r.package} | `{text}` | {r.caught_by or r.explanation or '**nothing**'} |")
    path.write_text("\n".join((*rows, "", "```", table(results), "```", "")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
