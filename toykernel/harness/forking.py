"""Another session that goes on from a moment of one: nothing is shared but the host's images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from toykernel.collector import Collector
from toykernel.history import moment
from toykernel.history.pickles import Pickles

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.history.moment import Snapshot

#: Of the new session: who takes over what listeners of the old one have collected.
Heirs = Callable[["Session"], Mapping[Collector, Collector]]


def fork(
    session: Session,
    console: Callable[[int, bytes], None] | None = None,
    at: Snapshot | None = None,
    heirs: Heirs = lambda _twin: {},
) -> Session:
    """See Session.fork. `at` is a moment that the session has taken; without it, now."""
    moment.refuse_influence(session.kernel)
    own = session._own_listeners()
    taken = at or moment.take(session.kernel, session._output, Pickles(), list(own.values()))
    twin = session._blank(
        *(session.path, session.elf, session.program, session.guest_path),
        *(session.config, console, bool(session._output)),
    )
    theirs = twin._own_listeners(own)
    heir = {id(old): new for old, new in heirs(twin).items()}
    heir |= {id(old): theirs[name] for name, old in own.items()}
    listeners = tuple(heir.get(id(one)) or Collector() for one in taken.listeners)
    moment.put_back(twin.kernel, twin._output, replace(taken, listeners=listeners))
    return twin
