"""Pages of docs/reference that list what the code has: system calls, debugger commands, checks, clocks."""

from __future__ import annotations

import inspect

from emu.timing.profiles import PROFILES
from emu.timing.rules import INSTRUCTION_RULES, REP_I486, UNKNOWN_CLOCKS
from toykernel.check.contents import SharedFrames
from toykernel.check.invariants import CHECKS
from toykernel.check.moments import Moments
from toykernel.debug.commands import GROUPS
from toykernel.debug.commands.info import TOPICS
from toykernel.syscall_table import SYSCALLS
from toykernel.timing_costs import COSTS

WRITTEN = "Written by `docs/reference.py` from the code; do not edit."


def cell(text: str) -> str:
    """Text inside a table."""
    return text.replace("|", "\\|")


def first_sentence(thing: object) -> str:
    """Of a docstring: up to the blank line."""
    text = inspect.getdoc(thing) or ""
    return " ".join(text.split("\n\n")[0].split())


def page(title: str, *parts: str) -> str:
    """A page with its title and where it comes from."""
    return "\n\n".join((f"# {title}", *parts)) + "\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """In Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, row)) + " |" for row in lines)


def system_calls() -> str:
    """Those that there are, and the names of those that answer ENOSYS."""
    rows, missing = [], []
    for row in SYSCALLS:
        if not row.name:
            continue
        if row.function is None:
            missing.append(row.name)
            continue
        arguments = ", ".join(argument.name for argument in row.arguments)
        rows.append((str(row.number), f"`{row.name}({arguments})`", first_sentence(row.function)))
    return page(
        "System calls",
        f"{WRITTEN} Numbers are those of Linux on the i386.",
        f"{len(rows)} are there:",
        table(("number", "call", "what is done"), rows),
        f"The other {len(missing)} answer `ENOSYS`: {', '.join(f'`{name}`' for name in missing)}.",
    )


def debugger() -> str:
    """Every command with its help text, and every topic of info."""
    parts = []
    for title, commands in GROUPS.items():
        parts.append(f"## {title}")
        for command in commands:
            names = ", ".join(f"`{name}`" for name in command.aliases)
            parts.append(f"**`{f'{command.name} {command.usage}'.rstrip()}`**: {command.summary}"
                         + (f" (also {names})" if names else ""))  # fmt: skip
            if command.help and command.name != "info":
                parts.append("\n".join(f"    {line}".rstrip() for line in command.help.split("\n")))
    topics = [(f"`info {t.name} {t.usage}`".replace(" `", "`"), t.summary) for t in TOPICS]
    return page(
        "Commands of the debugger",
        f"{WRITTEN} [Stepping](../debugging.md) shows them at work.",
        *parts,
        "## Topics of info",
        table(("topic", "what it shows"), topics),
    )


def checks() -> str:
    """What --check looks at."""
    found = [*CHECKS, SharedFrames.shared_frames_do_not_change]
    found += [
        method
        for name, method in vars(Moments).items()
        if inspect.isfunction(method) and name[0] != "_" and name != "settled"
    ]
    rows = [(f"`{check.__name__}`", first_sentence(check)) for check in found]
    return page(
        "Checks",
        f"{WRITTEN} `--check` looks at all of this after every trap that the kernel has dealt with, or at\n"
        "the moment when it happens; so does `boot` in tests.",
        table(("check", "what must hold"), rows),
    )


def clocks() -> str:
    """Numbers of the timing profiles, and what the kernel's work in Python is charged."""
    names = list(PROFILES)
    fields = (
        *(("agi", "base or index register just written"), ("index", "an index register")),
        *(("disp_imm", "displacement and immediate"), ("prefix", "each prefix")),
        *(("byte_register", "byte register written, whole read"), ("misaligned", "each crossing")),
        *(("gate_inner", "gate to an inner ring"), ("gate_same", "gate on the same ring")),
        *(("page_fault", "a page fault, beside the gate"), ("external", "an interrupt, likewise")),
    )
    rule_rows = [
        (f"`{name}`", text, *(str(getattr(PROFILES[profile], name)) for profile in names))
        for name, text in fields
    ]
    rep_rows = [
        (f"`rep {name}`", str(rep.none), str(rep.one), f"{rep.start} + {rep.each}n")
        for name, rep in REP_I486.items()
    ]
    work = [(f"`kernel {name}`", str(clocks)) for name, clocks in COSTS.items()]
    return page(
        "Clocks",
        f"{WRITTEN} [The cycle model](../timing.md) says where the numbers come from.",
        "## Penalties, by profile",
        table(("rule", "what costs", *names), rule_rows),
        "## Repeated string instructions (i486)",
        table(("instruction", "n = 0", "n = 1", "else"), rep_rows),
        "## The kernel's work in Python",
        "Clocks of one unit; the ledger has it under this name.",
        table(("entry", "clocks"), work),
        "## Entries of the ledger for instructions",
        ", ".join(f"`{rule}`" for rule in INSTRUCTION_RULES)
        + f". `unknown` is {UNKNOWN_CLOCKS} for an instruction without a row.",
    )
