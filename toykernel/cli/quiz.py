"""`toykernel quiz`: questions about a program, answered by what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from toykernel.cli.console import host_message
from toykernel.cli.option_types import count
from toykernel.cli.options import MACHINE, SCHEDULE, SOURCES, ProgramCommand, apply
from toykernel.cli.words import DASH
from toykernel.harness.exit_status import EXIT_MISUSE
from toykernel.quiz.question import LETTERS, Question, as_json

#: States and cycles after which it is enough to make questions of.
_MAX_STATES, _MAX_CYCLES, _MAX_EVENTS = 5_000, 5_000_000, 3_000
_EXPLORE = {
    "at": "syscalls",
    "time_": "fixed",
    "no_reduction": False,
    "preemptions": None,
    "faults": 0,
    "cow": False,
    "max_time": None,
    "jobs": 1,
    "cluster": None,
    "check": None,
}
EPILOG = """\b
Exit status:
  0    the questions were printed, or asked
  125  wrong usage, or a program that does not assemble or load
"""


@click.command(
    "quiz",
    cls=ProgramCommand,
    epilog=EPILOG,
    context_settings={"allow_interspersed_args": False},
)
@apply((*(option for option in MACHINE if option is not SCHEDULE), *SOURCES))
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="Another number gives other questions.",
)
@click.option(
    "--questions",
    "wanted",
    type=count,
    default="6",
    show_default=True,
    metavar="N",
    help="How many, as far as the program gives rise to so many.",
)
@click.option("--json", "json_", is_flag=True, help="Print them with their answers as JSON.")
@click.option("--answers", is_flag=True, help="Print the answers, too, and why; do not ask.")
@click.option(
    "--max-states",
    type=count,
    default=str(_MAX_STATES),
    show_default=True,
    metavar="N",
    help="Look at so many states of all orders; what needs more is not asked.",
)
@click.argument("program", type=click.Path())
@click.argument("args", nargs=-1)
def command(program: str, args: tuple[str, ...], **values: Any) -> int:
    """Ask about PROGRAM: its outputs in any order, processes, parents, shared pages, error codes.

    The answers are computed from all orders of its tasks and from a run. On a terminal you are asked, and
    told why; elsewhere the questions are printed.
    """
    from toykernel.cli.load import CannotLoad

    if program == DASH:
        raise click.UsageError("a quiz runs the program more than once: name a file")
    try:
        questions, complete = _made(program, args, values)
    except CannotLoad as error:
        click.echo(str(error), err=True)
        return EXIT_MISUSE
    if not complete:
        host_message("more states than --max-states: no questions about all orders")
    if values["json_"]:
        click.echo(as_json(program, values["seed"], questions), nl=False)
    elif values["answers"] or not _is_interactive():
        click.echo("\n".join(_printed(questions, answers=values["answers"])))
    else:
        ask(questions, _read, click.echo)
    return 0


def _made(
    program: str, args: tuple[str, ...], values: dict[str, Any]
) -> tuple[list[Question], bool]:
    """The questions, and whether every order was looked at. Raises CannotLoad, click.BadParameter and
    HostError.
    """
    from toykernel.cli.explore import Progress, explored
    from toykernel.cli.load import make_session
    from toykernel.harness import runner
    from toykernel.quiz import quiz
    from toykernel.quiz.moments import Moments
    from toykernel.show.shown import Shown

    values = {**values, "schedule": None}
    progress = Progress()
    try:
        orders = explored(program, args, {**values, **_EXPLORE}, progress)
    finally:
        progress.clear()
    session = make_session(program, args, values, None)
    shown = Shown(session, max_events=_MAX_EVENTS, max_steps=0)
    runner.run(session, max_cycles=_MAX_CYCLES)
    shown.finish()
    made = quiz.make(orders, Moments(shown.lines), values["seed"], values["wanted"])
    return made, orders.found.complete


def _is_interactive() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _printed(questions: Sequence[Question], *, answers: bool) -> list[str]:
    lines: list[str] = []
    for number, question in enumerate(questions, start=1):
        first, *rest = question.lines()
        lines += [""] * (number > 1) + [f"{number}. {first}", *rest]
        if answers:
            lines += [f"   answer: {question.answer()}", *question.why()]
    return lines


def _read(prompt: str) -> str | None:
    """A line; None when there are no more."""
    try:
        return input(prompt)
    except EOFError:
        return None


def ask(
    questions: Sequence[Question],
    read: Callable[[str], str | None],
    write: Callable[[str], None],
) -> None:
    """Ask one after the other, and say why each answer is right or wrong, until `read` has none."""
    right = asked = 0
    for number, question in enumerate(questions, start=1):
        first, *rest = question.lines()
        write("\n".join([f"{number} of {len(questions)}. {first}", *rest]))
        answers = _answers(question, read, write)
        if answers is None:
            break
        asked += 1
        if question.is_right(answers):
            right += 1
            write("Right.")
        else:
            write(f"Wrong: it is {question.answer()}.")
        write("\n".join([*question.why(), ""]))
    write(f"{right} of {asked} right")


def _answers(
    question: Question, read: Callable[[str], str | None], write: Callable[[str], None]
) -> list[int] | None:
    """The numbers of the choices that are named; asks again for what is no answer."""
    letters = LETTERS[: len(question.choices)]
    hint = "letters, or none" if question.several else "a letter"
    while True:
        line = read("> ")
        if line is None:
            return None
        words = line.lower().replace(",", " ").split()
        if words == ["none"] and question.several:
            return []
        named = "".join(words)
        if named and set(named) <= set(letters) and (question.several or len(named) == 1):
            return [letters.index(letter) for letter in named]
        write(f"{hint}, of {letters[0]} to {letters[-1]}")
