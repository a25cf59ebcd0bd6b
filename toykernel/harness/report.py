"""The report of a run, version 1: what happened, in numbers. The same run gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from toykernel.look.frames import leaked_frames
from toykernel.task import FAULT_KINDS

if TYPE_CHECKING:
    from toykernel.harness.runner import Result
    from toykernel.harness.session import Session
    from toykernel.observe.run_stats import TaskRecord
    from toykernel.state import Kernel

SCHEMA = 1


def make_report(session: Session, result: Result) -> dict[str, Any]:
    """Every figure of a run that is over, however it ended."""
    k = session.kernel
    clock = k.machine.clock
    stats = session.stats
    extra: dict[str, Any] = {}
    if "cow_journal" in session.__dict__:  # somebody asked for it before the run
        extra["cow"] = session.cow_journal.data()
    if stats.left_out["tasks"]:
        extra["tasks_left_out"] = _left_out(stats.left_out)
    return {
        **extra,
        "schema": SCHEMA,
        "program": session.path.name,
        "exit_status": result.exit_status,
        "signal": result.signal,
        "cycles": clock.cycles,
        "instructions": clock.instructions,
        "timing": {
            "profile": clock.profile,
            "table": clock.table,
            "driver": k.machine.cpu.driver.name,  # native or python; it changes no other figure
            "by_rule": clock.by_rule(),
            "unknown": clock.unknown,
        },
        "forks": {**stats.forks, "failed": dict(stats.failed)},
        "faults": dict(stats.faults),
        "frames": _frames(k),
        "syscalls": {
            name: {"calls": calls, "errors": errors}
            for name, (calls, errors) in stats.syscalls_by_name().items()
        },
        "tasks": [_task(record) for record in stats.task_records()],
    }


def _frames(k: Kernel) -> dict[str, int]:
    totals = k.memory.pages.totals()
    return {"total": totals.total, "peak": totals.peak, "leaked": leaked_frames(k)}


def _task(record: TaskRecord) -> dict[str, Any]:
    """`faults` is the sum over all kinds; a task that is alive has neither status nor signal."""
    code = record.exit_code
    sig = None if code is None else code & 0x7F or None
    return {
        "pid": record.pid,
        "ppid": record.ppid,
        "tgid": record.tgid,
        "comm": record.comm,
        "exit_status": None if code is None or sig else code >> 8 & 0xFF,
        "signal": sig,
        "cycles": record.cycles,
        "instructions": record.instructions,
        "faults": sum(record.faults.values()),
        "cow_copied": record.faults["cow_copied"],
        "cow_reused": record.faults["cow_reused"],
    }


def _left_out(totals: dict[str, int]) -> dict[str, int]:
    """Of the tasks that ended before those that `tasks` has: how many, and the sums of their figures."""
    return {
        "tasks": totals["tasks"],
        "cycles": totals["cycles"],
        "instructions": totals["instructions"],
        "faults": sum(totals[kind] for kind in FAULT_KINDS),
        "cow_copied": totals["cow_copied"],
        "cow_reused": totals["cow_reused"],
    }


def report_json(report: dict[str, Any]) -> str:
    """The report's file: sorted keys, one value a line, newline at the end."""
    return json.dumps(report, indent=2, sort_keys=True) + "\n"


def summary(report: dict[str, Any], killed: Sequence[str] = ()) -> str:
    """The main figures as a small table; `killed` as in Result."""
    forks = {kind: n for kind, n in report["forks"].items() if kind != "failed" and n}
    faults = report["faults"]
    frames = report["frames"]
    rows = [
        ("instructions", f"{report['instructions']:,}  ({report['cycles']:,} cycles)"),
        ("forks", ", ".join(f"{n} {kind}" for kind, n in forks.items()) or "0"),
        ("pages copied on write", f"{faults['cow_copied']}"),
        ("pages reused on write", f"{faults['cow_reused']}"),
        (
            "other page faults",
            f"{faults['not_present']} first touched, {faults['zero_page']} zero page, "
            f"{faults['protection']} refused",
        ),
        ("frames", f"{frames['peak']} at most of {frames['total']}, {frames['leaked']} leaked"),
        *(("killed by a signal", text.replace(" killed by", "", 1)) for text in killed),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
