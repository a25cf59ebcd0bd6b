"""A question with choices, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

SCHEMA = 1
LETTERS = "abcdefgh"


@dataclass(frozen=True)
class Question:
    """`answers` are the numbers of the right choices, of `several` perhaps none or more than one; `reasons`
    says of each choice why it is right or wrong, or there is one reason for all."""

    kind: str
    text: str
    choices: tuple[str, ...]
    answers: tuple[int, ...]
    reasons: tuple[str, ...]
    several: bool = False

    def is_right(self, answers: Iterable[int]) -> bool:
        """Whether exactly the right choices are named."""
        return set(answers) == set(self.answers)

    def lines(self) -> list[str]:
        """The question for people."""
        hint = " (all that fit, or none)" if self.several else ""
        text = [self.text + hint]
        return text + [f"   {LETTERS[n]}) {choice}" for n, choice in enumerate(self.choices)]

    def answer(self) -> str:
        """The letters of the right choices."""
        return " ".join(LETTERS[n] for n in self.answers) or "none"

    def why(self) -> list[str]:
        """The reasons for people."""
        if len(self.reasons) != len(self.choices):
            return [f"   {reason}" for reason in self.reasons]
        return [f"   {LETTERS[n]}: {reason}" for n, reason in enumerate(self.reasons)]

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "kind": self.kind,
            "text": self.text,
            "several": self.several,
            "choices": list(self.choices),
            "answers": list(self.answers),
            "why": list(self.reasons),
        }


def of_several(
    kind: str, text: str, choices: Iterable[tuple[str, bool, str]], chance: Random
) -> Question:
    """A question of which several may fit, from choices with whether they do and why, in any order."""
    mixed = list(choices)
    chance.shuffle(mixed)
    answers = tuple(n for n, (_, fits, _) in enumerate(mixed) if fits)
    words, _, reasons = zip(*mixed, strict=True)
    return Question(kind, text, tuple(words), answers, tuple(reasons), several=True)


def of_numbers(
    kind: str, text: str, right: int, others: Iterable[int], why: str, form: str = "d"
) -> Question:
    """A question with one right number, among others, in order."""
    numbers = sorted({right, *others})
    words = tuple(format(number, form) for number in numbers)
    return Question(kind, text, words, (numbers.index(right),), (why,))


def as_json(program: str, seed: int, questions: Sequence[Question]) -> str:
    """Schema 1; fields are only added."""
    data = {
        "schema": SCHEMA,
        "program": program,
        "seed": seed,
        "questions": [question.data() for question in questions],
    }
    return json.dumps(data, indent=1) + "\n"
