"""Numbers of inodes in /proc."""

from __future__ import annotations

from toykernel.fs.proc.base import _ino
from toykernel.fs.proc.node import ProcNode


def test_another_process_of_the_same_number_has_another_directory() -> None:
    first, again = ProcNode("{pid}", 5, 100), ProcNode("{pid}", 5, 100)
    assert _ino(first) == _ino(again)
    assert _ino(ProcNode("{pid}", 5, 200)) != _ino(first)
