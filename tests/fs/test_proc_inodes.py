"""Numbers of inodes in /proc."""

from __future__ import annotations

from toykernel.fs.proc.node import ProcNode, inode_number


def test_another_process_of_the_same_number_has_another_directory() -> None:
    first, again = ProcNode("{pid}", 5, 100), ProcNode("{pid}", 5, 100)
    assert inode_number(first) == inode_number(again)
    assert inode_number(ProcNode("{pid}", 5, 200)) != inode_number(first)
