"""What came of one program's promises."""

from __future__ import annotations

from dataclasses import dataclass

PASSED, FAILED, SILENT = "passed", "failed", "without expectations"


@dataclass(frozen=True)
class Verdict:
    """`outcome` is one of the three above; `explanation` has a line for each difference."""

    path: str
    outcome: str
    explanation: tuple[str, ...] = ()
    instructions: int = 0
    cycles: int = 0
    hooks: str = ""  # native or python; empty when nothing ran
