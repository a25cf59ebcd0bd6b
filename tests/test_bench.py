"""The bench's own arithmetic: slopes, medians, and what changed between two runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.compare import rows
from bench.machine import median_of_five
from bench.scale import slope

ROOT = Path(__file__).parent.parent


def document(turn: float, *figures: tuple[str, float, str]) -> dict[str, object]:
    named = [("a turn of the reference loop", turn, "ns"), *figures]
    return {"figures": [{"name": n, "value": v, "unit": u} for n, v, u in named]}


@pytest.mark.parametrize("power", [1.0, 2.0, 0.5])
def test_a_slope_is_the_exponent_of_the_size(power: float) -> None:
    assert slope([(n, 3 * n**power) for n in (10, 20, 80, 1000)]) == pytest.approx(power)


def test_one_of_five_that_was_disturbed_does_not_count() -> None:
    values = iter((5.0, 900.0, 4.0, 6.0, 5.5))
    assert median_of_five(lambda: next(values)) == 5.5


def test_times_are_compared_in_turns_and_the_rest_as_it_is() -> None:
    old = document(
        10, ("getpid", 4, "us"), ("  each", 2, "ms"), ("speed", 0.5, "x"), ("gone", 1, "s")
    )
    new = document(
        20, ("getpid", 8, "us"), ("  each", 2, "ms"), ("speed", 0.4, "x"), ("new", 1, "s")
    )
    found = {name: ratio for name, _, _, _, ratio in rows(old, new)}
    assert found == {
        "a turn of the reference loop": 2.0,
        "getpid": 1.0,
        "getpid: each": 0.5,
        "speed": 0.8,
    }


def test_a_figure_in_another_unit_is_another_figure() -> None:
    assert len(rows(document(10, ("a", 1, "ms")), document(10, ("a", 1, "us")))) == 1


def compare(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.compare", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_command_marks_what_changed(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(document(10, ("getpid", 4, "us"), ("fork", 4, "us"))))
    new.write_text(json.dumps(document(10, ("getpid", 3, "us"), ("fork", 4.1, "us"))))
    done = compare(old, new)
    assert done.returncode == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert lines["getpid"].endswith("0.75  less")
    assert lines["fork"].endswith("1.02")


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("nothing")
    for path in (tmp_path / "old.json", tmp_path / "missing.json"):
        done = compare(path, path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert str(path) in done.stderr
