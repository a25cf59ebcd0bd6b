"""Choices between instructions: what threads do to one word, in every order; races; interrupts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.explore.orders import State, Step, end, outcomes, start, wait_for
from toykernel.cli.group import call
from toykernel.explore.exploration import Settings, explore
from toykernel.explore.report import outputs
from toykernel.explore.world import At
from toykernel.harness.session import Session
from toykernel.state import Config

PROGRAMS = Path(__file__).parent / "programs"


def explored(name: str, at: At = At.MEMORY, program: Path | None = None):
    path = program or PROGRAMS / f"{name}.S"
    made = explore(lambda: Session(path, config=Config(scheduler="schedule")), Settings(at=at))
    assert made.found.complete
    return made


def _load(state: State, name: str) -> None:
    state[f"eax {name}"] = state.get("count", 0)


def _store(state: State, name: str) -> None:
    state["count"] = state[f"eax {name}"] + 1


def _tell(state: State, _name: str) -> None:
    state["out"] += str(state["count"])


def counts(threads: int, turns: int) -> set[str]:
    """What is left of so many additions, by every interleaving of loads and stores."""
    others = [f"t/{number}" for number in range(1, threads)]
    adding: list[Step] = [_load, _store] * turns
    first = [start(*others), *adding, wait_for(*others), _tell, end]
    return outcomes({"main": first, "t": [*adding, end]}, "main", {})


@pytest.mark.parametrize(
    ("name", "threads", "turns"),
    [("increment", 2, 1), ("increment_twice", 2, 2), ("increment_three", 3, 1)],
)
def test_lost_additions_are_those_of_the_model(name, threads, turns) -> None:
    found = {output.decode() for output in outputs(explored(name).table)}
    assert found == counts(threads, turns)
    assert found == {str(n) for n in range(min(turns, 2), threads * turns + 1)}


INCREMENTS = """.include "linux.inc"
.include "process.inc"
.include "{threads}"
.globl _start
_start:
{begin}
    call add
{join}
    addl $'0', count
    sys_write $STDOUT_FILENO, $count, $1
    sys_exit $0
other:
    call add
    sys_exit $0
add:
    movl ${turns}, %esi
1:  movl count, %eax
    incl %eax
    movl %eax, count
    decl %esi
    jnz 1b
    ret
.data
count: .long 0
{words}
.bss
.balign 16
{stacks}
"""


def increments(threads: int, turns: int) -> str:
    """A program of so many threads."""
    others = range(1, threads)
    return INCREMENTS.format(
        threads=PROGRAMS / "threads.inc",
        turns=turns,
        begin="\n".join(f"    thread other, top{n}, tid{n}" for n in others),
        join="\n".join(f"    join tid{n}" for n in others),
        words="\n".join(f"tid{n}: .long 0" for n in others),
        stacks="\n".join(f".zero 4096\ntop{n}:" for n in others),
    )


def test_two_threads_of_three_turns(tmp_path: Path) -> None:
    """Three of two turns are in bench/increments.S."""
    program = tmp_path / "increments.S"
    program.write_text(increments(2, 3))
    found = {output.decode() for output in outputs(explored("", program=program).table)}
    assert found == counts(2, 3) == {str(n) for n in range(2, 7)}


@pytest.mark.parametrize("name", ["increment", "increment_atomic"])
def test_choosing_at_every_instruction_finds_the_same(name) -> None:
    some, all_of_them = explored(name), explored(name, At.INSTRUCTIONS)
    assert outputs(some.table) == outputs(all_of_them.table)
    assert len(some.found.graph.nodes) < len(all_of_them.found.graph.nodes) / 10
    assert [(race.first, race.second) for race in some.races] == [
        (race.first, race.second) for race in all_of_them.races
    ]


def test_races_are_told_by_both_lines() -> None:
    races = [(race.first, race.second, race.what) for race in explored("increment").races]
    assert races == [
        (
            *("increment.S:16: 1:  movl count, %eax", "increment.S:29: movl %eax, count"),
            "a read and a write of count",
        ),
        (
            *("increment.S:18: movl %eax, count", "increment.S:27: 1:  movl count, %eax"),
            "a write and a read of count",
        ),
        (
            *("increment.S:18: movl %eax, count", "increment.S:29: movl %eax, count"),
            "a write and a write of count",
        ),
    ]


def test_locked_instructions_do_not_race() -> None:
    assert explored("increment_atomic").races == []


def test_peterson_holds_and_without_its_wait_does_not(tmp_path) -> None:
    assert outputs(explored("peterson").table) == [b"2"]
    text = (PROGRAMS / "peterson.S").read_text()
    broken = tmp_path / "broken.S"
    threads = f'"{PROGRAMS}/threads.inc"'
    text = text.replace('"threads.inc"', threads)
    broken.write_text(text.replace(".ifndef BROKEN", ".if 0"))
    assert outputs(explored("", program=broken).table) == [b"1", b"2"]


def test_a_condition_that_is_tested_by_if_can_be_taken_twice() -> None:
    assert outputs(explored("condition_if").table) == [b"-1", b"0"]


def test_system_calls_alone_do_not_show_it() -> None:
    assert outputs(explored("increment", At.SYSCALLS).table) == [b"2"]


@pytest.mark.parametrize("timing", ["off", "i486"])
def test_a_schedule_interrupts_between_two_instructions(timing, tmp_path, capfd) -> None:
    program = str(PROGRAMS / "increment.S")
    assert call(["explore", "--at", "memory", "--schedules", str(tmp_path), program]) == 0
    text = capfd.readouterr().out
    assert "3 races" in text
    said = []
    for file in sorted(tmp_path.iterdir()):
        assert call(["run", "--timing", timing, "--schedule", str(file), program]) == 0
        said.append(capfd.readouterr().out)
    assert said == ["1", "2"]
    lost = json.loads((tmp_path / "1.json").read_text())["choices"]
    assert any("instruction" in choice for choice in lost)


def test_words_that_processes_map_shared_count_too(tmp_path) -> None:
    program = tmp_path / "shared.S"
    program.write_text(
        '.include "linux.inc"\n.include "mman.inc"\n.globl _start\n_start:\n'
        "sys_mmap $0, $4096, $(PROT_READ | PROT_WRITE), $(MAP_SHARED | MAP_ANONYMOUS)\n"
        "movl %eax, %ebp\nsys_fork\nmovl %eax, %edi\n"
        "movl (%ebp), %eax\nincl %eax\nmovl %eax, (%ebp)\n"
        "testl %edi, %edi\njz 1f\nsys_waitpid $ANY_CHILD, $0, $0\n"
        "addl $'0', (%ebp)\nsys_write $STDOUT_FILENO, %ebp, $1\n1: sys_exit $0\n"
    )
    made = explored("", program=program)
    assert outputs(made.table) == [b"1", b"2"]
    assert {race.what.partition(" of ")[2] for race in made.races} == {"shared memory"}
