"""Writes docs/fork-path.md: every numbered behaviour of fork, the code that makes it, the tests of it.

The numbers stand in docstrings and comments of toykernel/ ("fork-path D7", "# D7"; in its assembly, too) and
in comments of tests/ ("# D7"); this script finds them, so the table cannot go stale. `--check` writes
nothing and answers 1 when the file is not what the script would write.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "fork-path.md"

BEHAVIOURS = {
    "A1": "int 0x80: gate, stack of the TSS, frame",
    "A2": "pt_regs on the task's kernel stack",
    "A3": "ENOSYS for a number outside the table",
    "A4": "work flags on the way out",
    "A5": "exceptions build the same frame",
    "A6": "exceptions become signals, or an oops",
    "B1": "the low byte of the flags is the exit signal",
    "B2": "two returns, or one error and no trace",
    "C1": "what a new user namespace needs",
    "C2": "kernel threads are never traced",
    "C3": "CLONE_PARENT_SETTID after the child is made",
    "C4": "vfork waits for exec or exit",
    "C5": "PF_STARTING while the child is built",
    "C6": "nobody runs the child before it is woken",
    "D1": "combinations of flags that are refused",
    "D2": "the security hook refuses with its own error",
    "D3": "dup_task_struct or ENOMEM",
    "D4": "RLIMIT_NPROC, counted by user",
    "D5": "credentials: a record of its own, shared by threads",
    "D6": "max_threads, from RAM",
    "D7": "flags copied, PF_FORKNOEXEC set",
    "D8": "what no child inherits",
    "D9": "sched_fork",
    "D10": "the parts, in order",
    "D11": "a number, or ENOMEM",
    "D12": "set_child_tid and clear_child_tid",
    "D13": "the alternate stack is dropped in shared memory",
    "D14": "no single steps in the child",
    "D15": "exit signal, tgid, group leader",
    "D16": "the parent: the caller or its parent",
    "D17": "a pending signal comes first",
    "D18": "joining the group, the tree, the namespace",
    "D19": "counts grow last",
    "E1": "a record from a cache, a stack of two frames",
    "E2": "what is fresh in the copy of the record",
    "E3": "thread_info and STACK_END_MAGIC",
    "F1": "the state at birth",
    "F2": "reset-on-fork",
    "F3": "no boosted priority is inherited",
    "F4": "virtual run time of the child",
    "F5": "2.4: the time slice is split",
    "F6": "the switch comes on the way out",
    "G": "copied or shared, by flag",
    "H1": "the child's registers",
    "H2": "where the child starts",
    "H3": "TLS, FPU",
    "H4": "ret_from_fork and schedule_tail",
    "H5": "what a switch changes",
    "J": "a failure leaves nothing behind",
    "K1": "page tables are copied",
    "K2": "write bits are taken from both",
    "K3": "areas that are left out",
    "K4": "the parent's TLB is flushed",
    "K5": "a write copies a shared page",
    "K6": "the last user just writes",
    "K7": "forbidden writes are SIGSEGV",
    "K8": "the kernel's own writes copy, too",
    "K9": "the zero page",
    "K10": "areas split and merge",
    "K11": "out of memory in a fault",
    "K12": "eager fork",
    "K13": "shared mappings stay shared",
    "L1": "numbers grow, wrap and are skipped",
    "L2": "exit, zombies, orphans",
    "L3": "wait and its status word",
    "L4": "clear_child_tid and its futex",
    "L5": "a lock inherited locked",
    "N": "differences between kernels",
}
_NUMBER = r"[A-HJ-LN]\d{0,2}"
_CODE = re.compile(rf"(?:fork-path |# )({_NUMBER}(?:(?:-|, | and ){_NUMBER})*)(?![\w.])")
_STEP = re.compile(rf'Step\("({_NUMBER})", (\w+)')
_TEST = re.compile(rf"# ({_NUMBER}(?:(?:-|, | and ){_NUMBER})*)(?![\w])")


def expand(text: str) -> list[str]:
    """`D18, D19` and `F1-F4` as single numbers."""
    found: list[str] = []
    for part in re.split(r", | and ", text):
        first, dash, last = part.partition("-")
        if not dash:
            found.append(first)
            continue
        found += [f"{first[0]}{n}" for n in range(int(first[1:]), int(last[1:]) + 1)]
    return [number for number in found if number in BEHAVIOURS]


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


def scan(folder: Path, pattern: re.Pattern[str]) -> dict[str, list[str]]:
    """By number: `file:function` of every place that names it."""
    places: dict[str, list[str]] = {}
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.S")]):
        lines = path.read_text().splitlines()
        for index, line in enumerate(lines):
            named = [(n, _place(path, lines, index)) for m in pattern.findall(line)
                     for n in expand(m)]  # fmt: skip
            named += [(number, function) for number, function in _STEP.findall(line)]
            for number, function in named:
                where = f"{path.relative_to(folder)}:{function}".rstrip(":")
                if where not in places.setdefault(number, []):
                    places[number].append(where)
    return places


def table() -> str:
    """The document."""
    code, tests = scan(ROOT / "toykernel", _CODE), scan(ROOT / "tests", _TEST)
    lines = [
        "# The fork path: behaviour, code, test",
        "",
        "Written by `docs/fork_path.py`; do not edit. Paths are below `toykernel/` and `tests/`.",
        "",
        "| | behaviour | code | tests |",
        "|---|---|---|---|",
    ]
    for number, text in BEHAVIOURS.items():
        cells = [
            "<br>".join(f"`{place}`" for place in places.get(number, ())) or "-"
            for places in (code, tests)
        ]
        lines.append(f"| {number} | {text} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


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
