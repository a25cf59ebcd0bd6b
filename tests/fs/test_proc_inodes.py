"""Numbers of inodes in /proc, and its tables of operations before it is loaded."""

from __future__ import annotations

import copy
import pickle

import pytest

from toykernel.fs.operations import UnloadedOperations
from toykernel.fs.proc import base
from toykernel.fs.proc.node import ProcNode, inode_number


def test_another_process_of_the_same_number_has_another_directory() -> None:
    first, again = ProcNode("{pid}", 5, 100), ProcNode("{pid}", 5, 100)
    assert inode_number(first) == inode_number(again)
    assert inode_number(ProcNode("{pid}", 5, 200)) != inode_number(first)


def test_a_table_that_stands_for_another_until_it_is_used() -> None:
    """The root of /proc has such tables; what is copied or kept is the table itself."""
    stands = UnloadedOperations("toykernel.fs.proc.base:PROC_INODE")
    assert stands.lookup is base.PROC_INODE.lookup
    assert copy.deepcopy(stands) is base.PROC_INODE
    assert pickle.loads(pickle.dumps(stands)) is base.PROC_INODE
    with pytest.raises(AttributeError):
        _ = stands.no_operation
