"""The numbers of the fork path in words: the titles that docs/fork-path.toml gives them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache

from toykernel.host_files import shared_folder


@cache
def titles() -> Mapping[str, str]:
    """By number: what the kernel does there."""
    text = (shared_folder() / "docs" / "fork-path.toml").read_text(encoding="utf-8")
    return {number: row["title"] for number, row in tomllib.loads(text).items()}


def in_words(numbers: Iterable[str]) -> str:
    """Numbers with their titles, each once."""
    return "; ".join(f"{number}: {titles()[number]}" for number in dict.fromkeys(numbers))
