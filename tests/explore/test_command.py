"""`toykernel explore` and `--schedule` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toykernel.cli.group import call

PROGRAMS = Path(__file__).parent / "programs"
DEADLOCKS = str(PROGRAMS / "philosophers.S")


def test_json_has_every_outcome(tmp_path, capfd) -> None:
    file = tmp_path / "all.json"
    assert call(["explore", "--json", str(file), DEADLOCKS]) == 0
    data = json.loads(file.read_text())
    assert data["schema"] == 1
    assert data["complete"] is True
    assert data["states"] < data["transitions"]
    by_output = {row["stdout"]: row for row in data["outcomes"]}
    assert set(by_output) == {"", "01", "10"}
    assert "3 (philosophers) in semop" in by_output[""]["deadlock"]
    assert by_output["01"]["deadlock"] is None
    assert by_output["01"]["status"] == 0
    assert by_output["01"]["schedules"] > 1
    for row in data["outcomes"]:
        assert all(choice["run"] in choice["of"] for choice in row["schedule"])
    text = capfd.readouterr().out
    assert text.startswith("3 outcomes with 3 outputs; ")
    assert "complete: no other order" in text


@pytest.mark.parametrize("timing", ["off", "i486"])
def test_run_goes_the_way_of_a_schedule(timing, tmp_path, capfd) -> None:
    assert call(["explore", "--schedules", str(tmp_path), DEADLOCKS]) == 0
    capfd.readouterr()
    seen = set()
    for file in sorted(tmp_path.iterdir()):
        status = call(["run", "--timing", timing, "--schedule", str(file), DEADLOCKS])
        seen.add((status, capfd.readouterr().out))
    assert seen == {(75, ""), (0, "01"), (0, "10")}


def test_the_debugger_goes_the_way_of_a_schedule(tmp_path, capfd) -> None:
    assert call(["explore", "--schedules", str(tmp_path), DEADLOCKS]) == 0
    capfd.readouterr()
    call(["debug", "--schedule", str(tmp_path / "1.json"), "-ex", "continue", DEADLOCKS])
    assert "semop -1 on semaphore 1" in capfd.readouterr().out


def refused(file: Path, program: str, capfd) -> str:
    assert call(["run", "--schedule", str(file), program]) == 125
    (line,) = capfd.readouterr().err.splitlines()
    return line


def test_a_schedule_that_does_not_fit_is_refused_in_a_line(tmp_path, capfd) -> None:
    assert call(["explore", "--schedules", str(tmp_path), DEADLOCKS]) == 0
    capfd.readouterr()
    file = tmp_path / "1.json"
    assert "it is not of" in refused(file, str(PROGRAMS / "two_writers.S"), capfd)
    data = json.loads(file.read_text())
    wrong = {**data, "choices": [{"run": 9, "of": [2, 9]}]}
    file.write_text(json.dumps(wrong))
    assert "choice 1 is 9 of 2, 9, here it is of 2, 3" in refused(file, DEADLOCKS, capfd)
    longer = {**data, "choices": [*data["choices"], {"run": 2, "of": [2, 3]}]}
    file.write_text(json.dumps(longer))
    assert "1 are left" in refused(file, DEADLOCKS, capfd)
    file.write_text('{"schema": 2}')
    assert "not a schedule of toykernel: schema 2" in refused(file, DEADLOCKS, capfd)
    assert "cannot read the schedule" in refused(tmp_path / "none.json", DEADLOCKS, capfd)


@pytest.mark.parametrize(
    ("options", "bound"),
    [(["--max-states", "3"], "--max-states 3"), (["--preemptions", "0"], "--preemptions 0")],
)
def test_a_bound_that_was_met_is_told(options, bound, capfd) -> None:
    assert call(["explore", *options, DEADLOCKS]) == 3
    text = capfd.readouterr().out
    assert f"not complete, there may be more outcomes: stopped by {bound}" in text
    assert "deadlock" not in text  # it needs a switch, and more states than that


def test_a_preemption_is_enough_for_the_deadlock(capfd) -> None:
    assert call(["explore", "--preemptions", "1", DEADLOCKS]) == 3
    assert "1. deadlock" in capfd.readouterr().out


def test_the_same_outcomes_with_faults_as_choices(capfd) -> None:
    found = []
    for options in ([], ["--no-reduction"]):
        assert call(["explore", *options, str(PROGRAMS / "pipe_writers.S")]) == 0
        text = capfd.readouterr().out
        found.append([line for line in text.splitlines() if line.startswith("   |")])
    assert found[0] == found[1]


def test_a_program_that_cannot_be_loaded(tmp_path, capfd) -> None:
    assert call(["explore", str(tmp_path / "none.S")]) == 125
    (tmp_path / "broken.S").write_text("nonsense %eax\n")
    assert call(["explore", str(tmp_path / "broken.S")]) == 125
    assert "nonsense" in capfd.readouterr().err


def test_one_that_never_asks_for_anything_is_endless(tmp_path, capfd) -> None:
    program = tmp_path / "spin.S"
    program.write_text(".globl _start\n_start: movl $20, %eax\n int $0x80\n1: jmp 1b\n")
    assert call(["explore", str(program)]) == 0
    assert "1. endless" in capfd.readouterr().out


def test_output_cannot_give_orders_to_the_terminal(tmp_path, capfd) -> None:
    source = tmp_path / "rude.S"
    source.write_text(
        '.include "linux.inc"\n.globl _start\n_start: sys_write $1, $text, $8\nsys_exit $0\n'
        '.data\ntext: .ascii "\\033[31m\\t\\177\\n"\n'
    )
    assert call(["explore", str(source)]) == 0
    assert "   | \\x1b[31m\t\\x7f\n" in capfd.readouterr().out
