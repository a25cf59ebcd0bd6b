"""A program with what it needs of its neighbours, to be judged where none of them is: `test --cluster`."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.harness.verdict import Verdict

#: What may be the name of a file, in a source or in its header.
_WORD = re.compile(rb"[\w./+-]{1,200}")
#: Of one program, in bytes.
MOST = 16 << 20


@dataclass(frozen=True)
class Parcel:
    """A program by the path that it is called by, and files by their paths from `root`, its own among
    them.
    """

    path: str
    root: str
    program: str
    files: Mapping[str, bytes]

    def judge(self, max_cycles: int) -> Verdict:
        """What `toykernel test` says of it, in the words that it has for the original."""
        from toykernel.cli.judge import judge

        with tempfile.TemporaryDirectory(prefix="toykernel-") as folder:
            for name, contents in self.files.items():
                file = Path(folder, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(contents)
            here = str(Path(folder, self.program))
            verdict = judge(here, max_cycles)
        lines = tuple(
            line.replace(here, self.path).replace(folder, self.root) for line in verdict.explanation
        )
        return replace(verdict, path=self.path, explanation=lines)


def pack(program: str) -> Parcel:
    """The program, and every file that it or one of those names by its path from where the program lies.

    A file that cannot be read is left out: the worker says that it is missing.
    """
    first = Path(os.path.abspath(program))
    found: dict[Path, bytes] = {}
    todo, room = [first], MOST
    for path in todo:  # grows
        try:
            if path in found or not path.is_file() or path.stat().st_size > room:
                continue
            contents = found[path] = path.read_bytes()
        except (OSError, ValueError):
            continue
        room -= len(contents)
        if b"\0" in contents:
            continue
        words = {os.fsdecode(word) for word in _WORD.findall(contents)}
        for folder in {path.parent, first.parent}:
            todo += [Path(os.path.normpath(folder / word)) for word in sorted(words)]
    root = os.path.commonpath([path.parent for path in (first, *found)])
    files = {os.path.relpath(path, root): contents for path, contents in found.items()}
    return Parcel(program, root, os.path.relpath(first, root), files)
