"""struct net (net/core/net_namespace.c): a network of its own. Without interfaces and protocols of the
Internet that is what sockets are called by abstract names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.kernel.pid import put_owner

if TYPE_CHECKING:
    from toykernel.kernel.cred import UserNamespace
    from toykernel.state import Kernel


@dataclass(eq=False)
class NetNamespace:
    """One network; sockets hold the one that they were made in."""

    slab: int
    count: int = 1
    user_ns: UserNamespace | None = None


def get_net(ns: NetNamespace) -> NetNamespace:
    """The namespace, with one more reference."""
    ns.count += 1
    return ns


def put_net(k: Kernel, ns: NetNamespace) -> None:
    """One reference less; the last one frees the record."""
    ns.count -= 1
    if not ns.count:
        k.memory.slabs.net_ns.free(k, ns.slab)
        put_owner(k, ns.user_ns)
