"""What several commands share of words and places."""

from __future__ import annotations

from pathlib import Path

#: Standard input, where a file is wanted.
DASH = "-"


def shared_folder() -> Path:
    """Where README.md, docs/ and exercises/ lie: in the package when it was built, else beside it."""
    package = Path(__file__).parents[1]
    built = package / "share"
    return built if built.is_dir() else package.parent
