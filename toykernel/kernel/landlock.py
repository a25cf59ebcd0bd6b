"""Landlock's records (security/landlock): what a task has given up, for itself and its heirs.

A domain is one layer over those before it, each of which has to allow what the task does. What tasks and
files are asked is here and in fs/landlock.py.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EPERM, Errno

if TYPE_CHECKING:
    from toykernel.fs.inode import Inode
    from toykernel.state import Kernel
    from toykernel.task import Task

SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1, 2
MAX_LAYERS = 16


@dataclass(eq=False)
class LandlockRuleset:
    """struct landlock_ruleset that is being made: what it handles, and what it allows below an inode or for a
    port."""

    slab: int
    fs: int
    net: int
    scoped: int
    rules: dict[Inode, int] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)


@dataclass(eq=False)
class LandlockDomain:
    """A ruleset that is in force over those of `parent`. `count`: credentials with it, and layers over it."""

    slab: int
    parent: LandlockDomain | None
    fs: int
    net: int
    scoped: int
    rules: dict[Inode, int]
    ports: dict[int, int]
    count: int = 1

    @property
    def layers(self) -> list[LandlockDomain]:
        """The first one first."""
        return [*(self.parent.layers if self.parent is not None else ()), self]


def put_domain(k: Kernel, domain: LandlockDomain | None) -> None:
    """One reference less; the last one frees a layer, and lets go of the one before."""
    while domain is not None:
        domain.count -= 1
        if domain.count:
            return
        k.memory.slabs.landlock.free(k, domain.slab)
        domain = domain.parent


def is_scoped(client: LandlockDomain | None, server: LandlockDomain | None, scope: int) -> bool:
    """domain_is_scoped: whether the nearest layer with `scope` of a client keeps a server out of reach."""
    mine = client.layers if client is not None else []
    others = server.layers if server is not None else []
    for at in range(len(mine) - 1, -1, -1):
        if mine[at].scoped & scope:
            return at >= len(others) or others[at] is not mine[at]
    return False


def landlock_may_signal(k: Kernel, task: Task) -> None:
    """hook_task_kill. Raises Errno(EPERM)."""
    mine = k.current.cred.landlock
    if mine is None or task.signal is k.current.signal:
        return
    if is_scoped(mine, task.cred.landlock, SCOPE_SIGNAL):
        raise Errno(EPERM)


def landlock_may_trace(k: Kernel, task: Task) -> bool:
    """hook_ptrace_access_check: only what is in the same domain or below."""
    return may_trace(k.current.cred.landlock, task.cred.landlock)


def may_trace(mine: LandlockDomain | None, its: LandlockDomain | None) -> bool:
    """domain_ptrace: whether who is in a domain may trace who is in another."""
    return mine is None or (its is not None and mine in its.layers)
