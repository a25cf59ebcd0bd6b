"""The exercises: unsolved when handed out, solvable, true on Linux, graded by their own headers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from command import ROOT, SPIN
from native_linux import build, run

from toykernel.cli.exercises import exercises
from toykernel.cli.group import call
from toykernel.cli.judge import judge
from toykernel.harness.comparison import compare
from toykernel.harness.expectations import parse_header

FOLDER = ROOT / "exercises"
EXERCISES = sorted(FOLDER.glob("*.S"))
SOLUTIONS = sorted((FOLDER / "solutions").glob("*.S"))


def header(path: Path) -> str:
    return path.read_text().partition(".include")[0]


def test_there_are_ten_and_each_has_a_solution() -> None:
    assert exercises() == EXERCISES
    assert len(EXERCISES) == 10
    assert [path.name for path in SOLUTIONS] == [path.name for path in EXERCISES]
    table = (FOLDER / "README.md").read_text()
    for path, solution in zip(EXERCISES, SOLUTIONS, strict=True):
        assert header(path) == header(solution)
        assert f"| `{path.stem}` |" in table
        for part in ("# title: ", "# Task: ", "# While stepping: "):
            assert part in header(path)


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_a_starter_runs_and_does_not_do_it_yet(path: Path) -> None:
    verdict = judge(str(path), 20_000_000)
    assert verdict.outcome == "failed"
    assert verdict.instructions > 0  # it assembles and runs
    assert all(f"{path}:" in line for line in verdict.explanation)


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_the_solution_does(path: Path) -> None:
    assert judge(str(path), 20_000_000).explanation == ()


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("linux32")
def test_linux_agrees_with_the_solution(path: Path, tmp_path: Path) -> None:
    expectations = parse_header(path.read_text(), str(path))
    if expectations.native_refusal is not None:
        pytest.skip(f"{path.name} is not for a real Linux: {expectations.native_refusal}")
    stdout, stderr, status, signal = run(build(path, tmp_path), expectations.args, {})
    assert compare(expectations, stdout, stderr, status, signal, None) == []


def test_the_command(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    answers = tmp_path / "ada"
    assert call(["exercises", "list"]) == 0
    assert capfd.readouterr().out.startswith("1. One call, two returns\n2. ")
    assert call(["exercises", "show", "5"]) == 0
    assert capfd.readouterr().out == EXERCISES[4].read_text()
    assert call(["exercises", "show", "11"]) == 125
    assert "there are 1 to 10" in capfd.readouterr().err
    assert call(["exercises", "copy", str(answers)]) == 0
    (answers / EXERCISES[0].name).write_text(SOLUTIONS[0].read_text())
    assert call(["exercises", "copy", str(answers)]) == 0
    assert (answers / EXERCISES[0].name).read_text() == SOLUTIONS[0].read_text()
    assert "left as it is" in capfd.readouterr().out


def test_grading(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    answers = tmp_path / "ada"
    answers.mkdir()
    for number in (0, 4):
        (answers / SOLUTIONS[number].name).write_text(SOLUTIONS[number].read_text())
    (answers / EXERCISES[1].name).write_text(
        "# expect status: 0\n" + SPIN
    )  # its own header is nothing
    (answers / EXERCISES[2].name).write_text("nonsense\n")
    assert call(["exercises", "grade", str(answers)]) == 1
    assert capfd.readouterr().out == f"{answers}: 2 of 10  +--.+.....\n"
    points = tmp_path / "points.csv"
    assert (
        call(
            [
                "exercises",
                "grade",
                "-v",
                "--csv",
                str(points),
                str(answers),
                str(FOLDER / "solutions"),
            ]
        )
        == 1
    )
    out = capfd.readouterr().out
    assert f"  {EXERCISES[3].stem}: missing" in out
    assert "no such instruction: `nonsense'" in out
    assert "got exit status 124" in out
    head, ada, solved = csv.reader(io.StringIO(points.read_text()))
    assert head == ["folder", *(path.stem for path in EXERCISES), "points"]
    assert ada[1:] == [*"1000100000", "2"]
    assert solved[1:] == [*"1111111111", "10"]
    assert call(["exercises", "grade", str(FOLDER / "solutions")]) == 0
    assert call(["exercises", "grade", str(tmp_path / "nobody")]) == 125


def test_what_is_no_folder_is_passed_over(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A class is st/*, and somebody keeps a list of names there."""
    (tmp_path / "ann").mkdir()
    (tmp_path / "names.txt").write_text("ann\n")
    both = [str(tmp_path / "ann"), str(tmp_path / "names.txt")]
    assert call(["exercises", "grade", *both]) == 1
    out, err = capfd.readouterr()
    assert out.startswith(f"{tmp_path / 'ann'}: 0 of 10")
    assert "names.txt" not in out
    assert err == f"toykernel: {tmp_path / 'names.txt'}: no folder, passed over\n"
    assert call(["exercises", "grade", both[1]]) == 125
    assert "no folder among" in capfd.readouterr().err
    assert call(["exercises", "grade", both[0], str(tmp_path / "bob")]) == 125
    out, err = capfd.readouterr()
    assert out == ""
    assert f"no folder: {tmp_path / 'bob'}" in err
