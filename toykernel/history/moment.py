"""A moment of a run: the machine, the kernel, what was said so far, and what listeners have collected.

Machine frames that are as they were are shared with the moment before (Ram.image). The kernel and the
listeners are pickled together, so that a listener's task is the kernel's after going back too; the pickle
never leaves this process (pickles.py; see savefile.py for what does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from emu.snapshot import Snapshot as MachineSnapshot
from toykernel.collector import Collector, Data, Shared
from toykernel.history.errors import HistoryError
from toykernel.history.pickles import Pickled, Pickles
from toykernel.state import Kernel
from toykernel.statehash import guest_data


@dataclass(frozen=True, repr=False)
class Snapshot:
    """One moment. Go back to it with the session that took it, any number of times."""

    machine: MachineSnapshot
    pickled: Pickled  # the kernel's data, and of each listener what changes
    listeners: tuple[Collector, ...]
    shared: tuple[Mapping[str, tuple[Any, ...]], ...]  # of each listener what is only added to
    output: Mapping[int, bytes]  # by descriptor
    messages: int  # how many tracepoints' messages there were
    tlb_flushes: int  # those of the run, not those of going back and running again

    @property
    def size(self) -> int:
        """Bytes that this one needs by itself, were no frame shared."""
        frames = sum(map(len, self.machine.ram.values()))
        return frames + len(self.pickled) + sum(map(len, self.output.values()))


def take(
    k: Kernel,
    output: Mapping[int, bytearray],
    pickles: Pickles,
    listeners: Sequence[Collector] | None = None,
) -> Snapshot:
    """This moment, with these listeners or else with all. One `pickles` for the moments of one kernel.

    Raises HistoryError for a listener or a hook whose data nobody knows.
    """
    listeners = collectors(k) if listeners is None else listeners
    follow_frames(k)
    return Snapshot(
        machine=k.machine.snapshot(),
        pickled=pickles.dump((guest_data(k), [one.save_data() for one in listeners])),
        listeners=tuple(listeners),
        shared=tuple(one.save_shared() for one in listeners),
        output={fd: bytes(text) for fd, text in output.items()},
        messages=len(k.host.trace.messages),
        tlb_flushes=k.machine.tlb_flushes,
    )


def follow_frames(k: Kernel) -> None:
    """Before RAM is compared: only what the kernel has ever given out can differ."""
    k.machine.ram.given(max(k.memory.pages.reach, k.memory.reserved_end))


def put_back(k: Kernel, output: Mapping[int, bytearray], moment: Snapshot) -> None:
    """Make kernel, machine, output and listeners what they were.

    The Kernel stays the same object, with new records in it: a Task or an address space from before is not
    one of the kernel's any more. A listener that came later starts over. One that has gone since stays
    gone. Raises HistoryError, or SnapshotError for another machine's.
    """
    data, collected = moment.pickled.load()
    saved = {
        id(one): (mine, shared)
        for one, mine, shared in zip(moment.listeners, collected, moment.shared, strict=True)
    }
    become(k, output, moment.machine, data, moment.output, moment.messages, saved)
    k.machine.tlb_flushes = moment.tlb_flushes


def become(
    k: Kernel,
    output: Mapping[int, bytearray],
    machine: MachineSnapshot,
    data: Mapping[str, Any],
    said: Mapping[int, bytes],
    messages: int,
    saved: Mapping[int, tuple[Data, Shared]],
) -> None:
    """What `put_back` does, from the parts; `saved` by the identity of each listener."""
    present = collectors(k)
    follow_frames(k)
    k.machine.restore(machine)
    replace_guest(k, data)
    for fd, text in output.items():
        text[:] = said[fd]
    del k.host.trace.messages[messages:]
    for one in present:
        if id(one) in saved:
            one.load_data(*saved[id(one)])
        else:
            one.start_over()


def replace_guest(k: Kernel, data: Mapping[str, Any]) -> None:
    """Replace the guest's data in the same Kernel; the host's part stays."""
    for name in guest_data(k).keys() - data.keys():
        delattr(k, name)
    for name, value in data.items():
        setattr(k, name, value)


def refuse_influence(k: Kernel) -> None:
    """Raises HistoryError for hooks that act on the guest: a copy of it would go on without them."""
    for where, hook in _influences(k):
        raise HistoryError(f"{where}: a copy would go on without {_name(hook)}")


def collectors(k: Kernel) -> list[Collector]:
    """Who listens. Raises HistoryError for one that is no Collector."""
    found: dict[int, Collector] = {}
    for where, listener in _listeners(k):
        owner = _owner(listener)
        if not isinstance(owner, Collector):
            raise HistoryError(
                f"{where}: snapshots do not know what {_name(listener)} collects: it is no Collector"
            )
        found.setdefault(id(owner), owner)
    return list(found.values())


def _listeners(k: Kernel) -> Iterator[tuple[str, Callable[..., Any]]]:
    for point in k.host.trace:
        for listener in (*point, *point.switched_off):
            yield f"tracepoint {point.name}", listener
    for heard in k.machine.trap_listeners:
        yield "traps", heard
    yield from _influences(k)


def _influences(k: Kernel) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, hooks in vars(k.host.security).items():
        for hook in hooks:
            yield f"security hook {name}", hook
    for name, injected in (("fail_step", k.host.fail_step), ("may_fail", k.host.may_fail)):
        if injected is not None:
            yield f"failure injection {name}", injected


def _owner(listener: Callable[..., Any]) -> object:
    while isinstance(listener, partial):
        listener = listener.func
    return getattr(listener, "__self__", listener)


def _name(listener: Callable[..., Any]) -> str:
    while isinstance(listener, partial):
        listener = listener.func
    named: Any = listener if hasattr(listener, "__qualname__") else type(listener)
    return f"{named.__module__}.{named.__qualname__}"
