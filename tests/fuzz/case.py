"""A program of the fuzzers: where it comes from, its steps, and how it is written as source."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

#: Numbers, texts and lists of them, so that a case can be kept as JSON.
Step = list[Any]


class Author(Protocol):
    """Invents steps of one kind and writes programs of them."""

    name: str
    #: A case has so many steps.
    length: int

    def invent(self, r: random.Random, count: int) -> list[Step]:
        """So many steps, the same ones for the same state of `r`."""
        ...

    def source(self, steps: list[Step]) -> str:
        """The input, for people and for whoever builds it."""
        ...

    def count(self, steps: list[Step]) -> int:
        """How many instructions or operations are compared."""
        ...

    def differs(self, steps: list[Step], ways: list[str]) -> tuple[str, str] | None:
        """In which way of running it something is wrong, and what; None when all is as it must be.

        Raises ValueError for what is no case, and NotHere where it cannot be tried.
        """
        ...


class LinuxAuthor(Author, Protocol):
    """Of programs whose output must be what this machine's own Linux makes of them."""

    def explain(self, steps: list[Step], here: bytes, there: bytes) -> str:
        """The first difference between two outputs, in words."""
        ...


@dataclass(frozen=True)
class Case:
    """Steps of one author's; `seed` is for people, who may want to see it again."""

    author: Author
    seed: int
    steps: list[Step]

    def with_steps(self, steps: list[Step]) -> Case:
        """The same with other steps."""
        return Case(self.author, self.seed, steps)

    def text(self) -> str:
        """As a corpus keeps it."""
        head = {"kind": self.author.name, "seed": self.seed}
        rows = ",\n  ".join(json.dumps(step) for step in self.steps)
        return f'{json.dumps(head)[:-1]}, "steps": [\n  {rows}\n]}}\n'


def invent(author: Author, seed: int) -> Case:
    """The case of a number."""
    return Case(author, seed, author.invent(random.Random(f"{author.name} {seed}"), author.length))


def read(path: Path, authors: dict[str, Author]) -> Case:
    """A case from a corpus."""
    kept = json.loads(path.read_text())
    return Case(authors[kept["kind"]], kept["seed"], kept["steps"])
