"""A quiz: questions of every kind that a program gives rise to, by a seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from toykernel.quiz.moments import (
    Moments,
    error_code_question,
    parent_question,
    process_question,
    shared_question,
)
from toykernel.quiz.orders import deadlock_question, output_question
from toykernel.quiz.question import Question

if TYPE_CHECKING:
    from toykernel.explore.exploration import Explored

#: Goes through all kinds at most so often to find questions that are not there yet.
_ROUNDS = 20


def make(explored: Explored, moments: Moments, seed: int, count: int) -> list[Question]:
    """At most `count` questions, no two with the same text; the same for the same seed."""
    chance = Random(seed)
    kinds: list[Callable[[Random], Question | None]] = [
        partial(output_question, explored),
        partial(process_question, moments),
        partial(parent_question, moments),
        partial(shared_question, moments),
        partial(error_code_question, moments),
        partial(deadlock_question, explored),
    ]
    found: dict[str, Question] = {}
    for _ in range(_ROUNDS):
        for kind in kinds:
            question = kind(chance)
            if question is not None and question.text not in found:
                found[question.text] = question
            if len(found) == count:
                return list(found.values())
    return list(found.values())
