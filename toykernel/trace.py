"""Tracepoints: lists of listeners, called in the order in which they registered.

The kernel calls the tracepoint, never a tracer. A listener sees; it changes nothing in the guest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Listeners = list[Callable[..., None]]


@dataclass
class Tracepoints:
    """What can be listened to, with the arguments that a listener gets."""

    sys_enter: Listeners = field(default_factory=list)  # (task, nr, [six arguments])
    sys_exit: Listeners = field(default_factory=list)  # (task, nr, result as signed int)
    fault: Listeners = field(
        default_factory=list
    )  # (task, kind, address, old pfn or None, new pfn or None)
    page_fault: Listeners = field(default_factory=list)  # (task, address, error code, eip)
    set_pte: Listeners = field(default_factory=list)  # (mm, address, old entry, new entry)
    user_write: Listeners = field(
        default_factory=list
    )  # (task, address, pfn): the kernel is about to write there
    move_pte: Listeners = field(
        default_factory=list
    )  # (mm, old address, new address, entry): mremap, before it does
    page_pin: Listeners = field(default_factory=list)  # (pfn, whether it is held from now on)
    page_free: Listeners = field(default_factory=list)  # (first pfn, order)
    sched_switch: Listeners = field(default_factory=list)  # (previous task, next task)
    sched_wakeup: Listeners = field(default_factory=list)  # (task)
    sched_wakeup_new: Listeners = field(default_factory=list)  # (task), its first
    tick: Listeners = field(default_factory=list)  # (task that the tick found running)
    process_fork: Listeners = field(default_factory=list)  # (parent, child, clone flags)
    process_exec: Listeners = field(default_factory=list)  # (task, path)
    process_exit: Listeners = field(default_factory=list)  # (task)
    release_task: Listeners = field(default_factory=list)  # (task)
    signal_generate: Listeners = field(default_factory=list)  # (task, signal, siginfo)
    signal_deliver: Listeners = field(default_factory=list)  # (task, signal, siginfo)
    signal_discard: Listeners = field(
        default_factory=list
    )  # (task, signal, siginfo): raised, and without effect
    gate: Listeners = field(default_factory=list)  # (task, name of the kernel function)
    to_user: Listeners = field(default_factory=list)  # (task), a trap has been dealt with
