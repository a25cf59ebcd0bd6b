"""The single faults of `make mutants` still have their places; the target itself takes too long for here."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutants import ROOT, Mutant, read_mutants

MUTANTS = read_mutants(Path(__file__).with_name("mutants.txt"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_text_of_each_fault_is_there(mutant: Mutant) -> None:
    text = (ROOT / mutant.path).read_text()
    assert text.count(mutant.old) >= 1
    compile(text.replace(mutant.old, mutant.new, 1), mutant.path, "exec")


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
