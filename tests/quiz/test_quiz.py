"""`toykernel quiz`: its answers against what is known of programs, asking, printing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from toykernel.cli.group import call
from toykernel.cli.quiz import ask
from toykernel.harness import runner
from toykernel.harness.session import Session
from toykernel.observe.events import EventLog
from toykernel.quiz.moments import (
    Moments,
    error_code_question,
    parent_question,
    process_question,
    shared_question,
)
from toykernel.quiz.orders import deadlock_question, output_question, quoted
from toykernel.quiz.question import Question, of_numbers, of_several
from toykernel.show.shown import Shown
from toykernel.testing import explore

ROOT = Path(__file__).parent.parent.parent
USERLAND, ORDERS = ROOT / "userland", ROOT / "tests/explore/programs"
COUNTER_PAGE = "0x0804b000"  # of fork_sample: .data, which both processes write


def moments_of(name: str) -> Moments:
    session = Session(USERLAND / f"{name}.S")
    shown = Shown(session, max_steps=0)
    runner.run(session)
    shown.finish()
    return Moments(shown.lines)


@pytest.fixture(scope="module")
def forks() -> Moments:
    return moments_of("fork_sample")


def right(question: Question | None) -> list[str]:
    assert question is not None
    return [question.choices[n] for n in question.answers]


def asked(make: Callable[..., Question | None], source: object, times: int = 25) -> list[Question]:
    found = [make(source, Random(seed)) for seed in range(times)]
    assert None not in found
    return [one for one in found if one is not None]


def test_outputs_that_are_possible_and_others_that_are_not() -> None:
    explored = explore(ORDERS / "two_writers.S").explored
    for question in asked(output_question, explored):
        assert sorted(right(question)) == ['"cp"', '"pc"']
        assert len(question.choices) > 2
        assert len(set(question.choices)) == len(question.choices)
        for choice, reason in zip(question.choices, question.reasons, strict=True):
            wanted = "by the schedule" if choice in right(question) else "no order has it"
            assert wanted in reason


def test_nothing_is_said_of_all_orders_when_not_all_were_seen() -> None:
    explored = explore(ORDERS / "philosophers.S", max_states=3).explored
    assert output_question(explored, Random(1)) is None
    assert deadlock_question(explored, Random(1)) is None


@pytest.mark.parametrize(
    ("name", "answer"), [("philosophers", "yes"), ("philosophers_ordered", "no")]
)
def test_whether_there_is_a_deadlock(name, answer) -> None:
    question = deadlock_question(explore(ORDERS / f"{name}.S").explored, Random(1))
    assert right(question) == [answer]


def test_bytes_in_one_line() -> None:
    assert quoted(b'a"\n\x01\xff') == '"a\\"\\n\\u0001\\\\xff"'


@pytest.mark.parametrize(("name", "count"), [("fork_sample", 2), ("hello", 1), ("fork_tree", 15)])
def test_how_many_processes(name, count) -> None:
    for question in asked(process_question, moments_of(name), 5):
        assert right(question) == [str(count)]
        assert len(question.choices) > 2


def test_an_orphan_gets_another_parent() -> None:
    answers: dict[int, set[str]] = {}
    for question in asked(parent_question, moments_of("orphan"), 200):
        (pid,) = re.findall(r"parent of pid (\d+)\?", question.text)
        answers.setdefault(int(pid), set()).update(right(question))
    assert answers == {3: {"2", "1"}}


def test_the_written_page_is_shared_until_the_copy(forks) -> None:
    session = Session(USERLAND / "fork_sample.S")
    log = EventLog(session.kernel)
    session.run()
    copied = next(number for number, event in log.happened() if event.kind == "cow")
    seen = set()
    for question in asked(shared_question, forks, 60):
        (number,) = map(int, re.findall(r"after event (\d+)", question.text))
        written = [choice for choice in question.choices if choice.startswith(COUNTER_PAGE)]
        others = [choice for choice in question.choices if not choice.startswith(COUNTER_PAGE)]
        assert set(right(question)) == {*others, *(written if number < copied else [])}
        seen.add(number < copied)
    assert False in seen


def test_error_codes_are_those_of_the_manual(forks) -> None:
    # SDM vol. 3, 4.7: a write in ring 3 to a present page, and to one that is not there.
    assert {tuple(right(one)) for one in asked(error_code_question, forks)} == {("0x7",)}
    none_there = asked(error_code_question, moments_of("null_write"), 5)
    assert {tuple(right(one)) for one in none_there} == {("0x6",)}


def test_a_run_without_what_is_asked_for() -> None:
    hello = moments_of("hello")
    for kind in (parent_question, shared_question):
        assert kind(hello, Random(1)) is None


def test_a_run_of_which_something_is_missing_counts_nothing() -> None:
    session = Session(USERLAND / "fork_sample.S")
    shown = Shown(session, max_events=20, max_steps=0)
    runner.run(session)
    shown.finish()
    assert process_question(Moments(shown.lines), Random(1)) is None


# -- asking --------------------------------------------------------------------------------------------

NUMBER = of_numbers("processes", "How many?", 3, [2, 5], "three")
PAGES = of_several("shared", "Which?", [("x", True, "one"), ("y", False, "two")], Random(1))


@pytest.mark.parametrize(
    ("questions", "lines", "said"),
    [
        ([NUMBER], ["b"], "Right."),
        ([NUMBER], ["c"], "Wrong: it is b."),
        ([NUMBER], ["what", "", "a b", "B"], "Right."),
        ([PAGES], [PAGES.answer()], "Right."),
        ([PAGES], ["none"], f"Wrong: it is {PAGES.answer()}."),
        ([PAGES], ["a, b"], f"Wrong: it is {PAGES.answer()}."),
    ],
)
def test_asking(questions, lines, said) -> None:
    told: list[str] = []
    rest = iter(lines)
    ask(questions, lambda _: next(rest, None), told.append)
    assert said in told
    assert told[-1] == f"{int(said == 'Right.')} of 1 right"
    assert any(questions[0].reasons[0] in text for text in told)
    assert not list(rest)


def test_asking_ends_with_the_input() -> None:
    told: list[str] = []
    rest = iter(["b"])
    ask([NUMBER, PAGES], lambda _: next(rest, None), told.append)
    assert told[-1] == "1 of 1 right"


# -- the command ---------------------------------------------------------------------------------------


def printed(capfd, *words: str) -> str:
    assert call(["quiz", *words]) == 0
    return capfd.readouterr().out


def test_seeds_give_new_questions_and_the_same_again(capfd) -> None:
    program = str(USERLAND / "fork_sample.S")
    texts = [printed(capfd, "--seed", str(seed), program) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].count("?") >= 6
    assert "answer:" not in texts[0]
    assert printed(capfd, "--answers", program).count("   answer: ") == 6


def test_json(capfd) -> None:
    program = str(USERLAND / "fork_sample.S")
    data = json.loads(printed(capfd, "--json", "--questions", "9", "--seed", "3", program))
    assert (data["schema"], data["program"], data["seed"]) == (1, program, 3)
    kinds = [one["kind"] for one in data["questions"]]
    assert len(kinds) == 9
    assert set(kinds) == {*("outputs", "processes", "parent", "shared", "error-code", "deadlock")}
    for one in data["questions"]:
        assert all(0 <= n < len(one["choices"]) for n in one["answers"])
        assert one["several"] or len(one["answers"]) == 1
        assert len(one["why"]) in (1, len(one["choices"]))


def test_what_is_left_out_is_said(capfd) -> None:
    program = str(ORDERS / "philosophers.S")
    assert call(["quiz", "--max-states", "3", "--answers", program]) == 0
    out, err = capfd.readouterr()
    assert "no questions about all orders" in err
    assert "in some order" not in out
    assert "how many processes" in out


def test_what_cannot_be_asked_about(tmp_path, capfd) -> None:
    assert call(["quiz", "-"]) == 125
    assert "name a file" in capfd.readouterr().err
    (tmp_path / "broken.S").write_text("nonsense %eax\n")
    assert call(["quiz", str(tmp_path / "broken.S")]) == 125
    assert "nonsense" in capfd.readouterr().err
