"""Every row of microbench.csv: hand-derived totals, some of them measured on hardware."""

from __future__ import annotations

import pytest
from microbench import Bench, execute, got, rows

ROWS = rows()
EXEC = [row for row in ROWS if row.kind == "exec"]


@pytest.mark.parametrize("profile", ["i486", "i386"])
@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.ident)
def test_row(row: Bench, native: bool, profile: str) -> None:
    if not row.expected[profile]:
        pytest.skip(f"{row.ident} has no figure for the {profile}")
    assert got(row, profile, native=native) == row.expected[profile], row.evidence


@pytest.mark.parametrize("row", EXEC, ids=lambda row: row.ident)
def test_instructions(row: Bench) -> None:
    assert execute(row, "i486-ideal", native=False)[1] == row.instructions


@pytest.mark.parametrize("profile", ["i486", "i486-ideal", "i386"])
@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize("ident", ["M09", "M15", "M18", "M21", "M24", "M29", "M30", "M32"])
def test_steps_cost_what_the_run_costs(ident: str, native: bool, profile: str) -> None:
    row = next(row for row in EXEC if row.ident == ident)
    run = execute(row, profile, native=native)
    assert execute(row, profile, native=native, stepped=True) == run


def test_published_measurements_are_marked() -> None:
    measured = {row.ident for row in ROWS if row.hardware}
    assert measured == {"M03", "M09", "M10", "M11", "M13", "M29", "M30", "S01"}
