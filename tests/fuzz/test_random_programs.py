"""Random programs do here what they do on this machine's own Linux, and broken inputs break nothing.

A fixed sample, and past failures.

`make fuzz` looks further. A generator that finds nothing proves nothing: it must find planted faults, too.
"""

from pathlib import Path

import inputs
import pytest
import run
from authors import AUTHORS
from case import Case, invent, read
from click.testing import CliRunner
from fuzz_command import EXIT_DIFFERENT, EXIT_NOT_HERE, main
from processes import CALL, CALLS
from shrink import shrink

from toykernel.fs import ramfs

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "corpus").glob("*.json"))
#: So many cases of each kind, in these ways beside the plain one.
SAMPLE = {"cpu": range(4), "processes": range(12), "inputs": range(80)}
WAYS = ("whole", "i486", "stopped often", "snapshots")


def is_right(case: Case, *ways: str) -> None:
    try:
        found = run.differences(case, list(ways))
    except run.NotHere as why:
        pytest.skip(str(why))
    assert found is None, f"{found.way}: {found.words}"


@pytest.mark.parametrize(
    ("kind", "seed"), [(kind, seed) for kind, seeds in SAMPLE.items() for seed in seeds]
)
def test_a_random_program(kind: str, seed: int) -> None:
    case = invent(AUTHORS[kind], seed)
    is_right(case, "whole", WAYS[1 + seed % 3])


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_once_was_wrong(path: Path) -> None:
    is_right(read(path, AUTHORS), *WAYS)


def test_the_hooks_in_python_do_the_same() -> None:
    case = invent(AUTHORS["cpu"], 100)
    is_right(case.with_steps(case.steps[:150]), "hooks in Python")


@pytest.mark.parametrize("kind", sorted(AUTHORS))
def test_a_seed_is_a_case(kind: str) -> None:
    author = AUTHORS[kind]
    one, two = invent(author, 7), invent(author, 7)
    assert author.source(one.steps) == author.source(two.steps)
    assert author.source(one.steps) != author.source(invent(author, 8).steps)


@pytest.mark.parametrize("kind", sorted(AUTHORS))
def test_a_case_is_kept_as_it_is(kind: str, tmp_path: Path) -> None:
    case = invent(AUTHORS[kind], 3)
    path = tmp_path / "case.json"
    path.write_text(case.text())
    assert read(path, AUTHORS) == case


def test_it_gets_as_small_as_what_is_wrong_in_it() -> None:
    case = invent(AUTHORS["processes"], 3)
    inner = next(step for step in case.steps if isinstance(step[-1], list) and len(step[-1]) > 1)
    wanted = inner[-1][-1]

    def still(smaller: Case) -> bool:
        return any(wanted in step[-1] for step in smaller.steps if isinstance(step[-1], list))

    (only,) = shrink(case, still).steps
    assert only[-1] == [wanted]


def raises(*_: object) -> object:
    raise KeyError("lost")


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("check_all", raises, "exception"),
        ("leaked_frames", lambda _: 3, "3 frames are left"),
        ("call", lambda _: 70, "internal error"),
        ("call", lambda _: -6, "status"),
    ],
)
def test_what_goes_wrong_with_an_input_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, wrong: object, said: str
) -> None:
    monkeypatch.setattr(inputs, name, wrong)
    options = ["--kind", "inputs", "--cases", "60", "--output", str(tmp_path)]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == EXIT_DIFFERENT
    assert said in done.output
    (kept,) = tmp_path.glob("*.json")
    assert len(read(kept, AUTHORS).steps) <= 2


def test_an_input_that_never_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def for_ever(_: object) -> None:
        while True:
            pass

    monkeypatch.setattr(inputs, "check_all", for_ever)
    monkeypatch.setattr(inputs, "SECONDS", 1)
    found = AUTHORS["inputs"].differs([["calls", 0]], [])
    assert found == ("exception", "TooLong: no end within 1 s")


def test_a_planted_fault_is_found_made_small_and_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ramfs, "send_sig", lambda *_: None)  # SIGXFSZ does not come
    done = CliRunner().invoke(
        main, ["--kind", "processes", "--seed", "37", "--cases", "1", "--output", str(tmp_path)]
    )
    if done.exit_code == EXIT_NOT_HERE:
        pytest.skip(done.output)
    assert done.exit_code == EXIT_DIFFERENT
    (kept,) = tmp_path.glob("*.json")
    small = read(kept, AUTHORS)
    assert {step[1] for step in small.steps if step[0] == CALL} >= {CALLS["setrlimit"]}
    whole = invent(small.author, small.seed)
    assert small.author.count(small.steps) * 5 < small.author.count(whole.steps)
    assert f"{kept.with_suffix('.S')} ({len(small.steps)} steps)" in done.output
    assert " on Linux" in done.output
