"""A program that makes the calls of a list, for this machine's Linux and for ours."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

SOURCE = Path(__file__).with_name("strace_calls.S")

#: Numbers and six registers each.
Calls = list[tuple[int, list[int]]]


def build(
    directory: Path, records: Callable[[dict[str, int]], Calls], more: str = ""
) -> tuple[Path, Calls]:
    """The program, with the table of its calls behind its data, and `more` data before it. `records` makes
    the calls of the addresses of its symbols.
    """
    listing = directory / "calls.S"

    def link(table: bytes) -> dict[str, int]:
        (directory / "table").write_bytes(table)
        tail = f'.incbin "{directory / "table"}"\ntable_end:\n'
        listing.write_text(more + SOURCE.read_text() + tail)
        for command in (
            ["as", "--32", str(listing), "-o", str(directory / "calls.o")],
            ["ld", "-m", "elf_i386", str(directory / "calls.o"), "-o", str(directory / "calls")],
        ):
            subprocess.run(command, check=True)
        names = subprocess.run(
            ["nm", str(directory / "calls")], capture_output=True, text=True, check=True
        ).stdout
        return {line.split()[2]: int(line.split()[0], 16) for line in names.splitlines()}

    symbols = link(b"")
    calls = records(symbols)
    assert (
        link(b"".join(struct.pack("<7I", n, *words) for n, words in calls))["words"]
        == symbols["words"]
    )
    return directory / "calls", calls


def line_of(text: str) -> str:
    """Without columns, and without strace's word for a result that is not the kernel's."""
    return re.sub(r"\) += ", ") = ", text.removesuffix(" (INJECTED)"), count=1)
