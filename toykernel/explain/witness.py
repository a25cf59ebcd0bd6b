"""An event of the past, seen happen once more: in a copy of the session, which itself stays where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emu.hooks import NO_LIMIT
from toykernel.explain.events import Narrator
from toykernel.harness import forking
from toykernel.history import replay
from toykernel.observe.events import EventLog

if TYPE_CHECKING:
    from toykernel.collector import Collector
    from toykernel.harness.session import Session
    from toykernel.history.history import History


def event(history: History, number: int) -> tuple[str, ...]:
    """What happened, in sentences. Raises LookupError for one that is not known, HistoryError when no copy
    can be had, KernelOops when the kernel dies of it."""
    log = history.events
    log[number]
    kept = history.moment_before_event(number)
    found: list[Narrator] = []

    def heirs(twin: Session) -> Mapping[Collector, Collector]:
        found.append(Narrator(twin, EventLog(twin.kernel, twin.images)))
        return {log: found[0].log}

    twin = forking.fork(history.session, at=kept.snapshot, heirs=heirs)
    narrator = found[0]
    narrator.log.count_from(kept.events)
    replay.run(
        twin.kernel,
        pace=lambda: (NO_LIMIT, NO_LIMIT),
        there=lambda: number in narrator.sentences,
    )
    return narrator.sentences[number]
