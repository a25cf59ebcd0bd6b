"""Which classes a scheduler consists of."""

from __future__ import annotations

from toykernel.kernel.sched.fair import FairClass
from toykernel.kernel.sched.goodness import GoodnessClass
from toykernel.kernel.sched.idle import IdleClass
from toykernel.kernel.sched.rt import RtClass
from toykernel.kernel.sched.sched_class import SchedClass
from toykernel.kernel.sched.schedule import ScheduleClass


def sched_classes(scheduler: str) -> tuple[SchedClass, ...]:
    """The classes of a scheduler, best first: "cfs" (2.6.23 and later), "goodness" (2.4), or "schedule",
    which does what it is told.

    Raises ValueError.
    """
    if scheduler == "goodness":
        return GoodnessClass(), IdleClass()
    if scheduler == "cfs":
        return RtClass(), FairClass(), IdleClass()
    if scheduler == "schedule":
        return ScheduleClass(), IdleClass()
    raise ValueError(f"no scheduler {scheduler!r}: cfs, goodness or schedule")
