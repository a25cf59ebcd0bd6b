"""Schedules as files: which task ran at each choice. `run --schedule FILE` goes exactly that way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toykernel.errors import HostError
from toykernel.explore.failures import Failures
from toykernel.harness.exit_status import EXIT_MISUSE
from toykernel.host_files import read_regular
from toykernel.kernel.sched.runqueue import Choice

if TYPE_CHECKING:
    from toykernel.harness.session import Session

SCHEMA = 1
FIXED, FREE = "fixed", "free"


@dataclass(frozen=True)
class Schedule:
    """The choices of one run of a program; `program` is the SHA-256 of its ELF image. Behind the last
    choice the running task goes on while it can, then the lowest pid."""

    program: str
    time: str
    everywhere: bool  # as Told has it
    choices: tuple[Choice, ...]
    faults: int = 0  # so many allocations may fail: as Told has it when the run begins

    def data(self) -> dict[str, Any]:
        """As the file has it."""
        faults = {"faults": self.faults} if self.faults else {}
        return {
            "schema": SCHEMA,
            "program": self.program,
            "time": self.time,
            "everywhere": self.everywhere,
            **faults,
            "choices": [choice_data(choice) for choice in self.choices],
        }

    def text(self) -> str:
        """The file: JSON, a line for each choice."""
        data = self.data()
        lines = ",\n  ".join(json.dumps(choice) for choice in data.pop("choices"))
        head = json.dumps(data)[1:-1]
        return f'{{{head}, "choices": [\n  {lines}\n]}}\n'


def choice_data(choice: Choice) -> dict[str, Any]:
    """A choice as JSON has it."""
    data: dict[str, Any] = {"run": choice.run, "of": list(choice.of)}
    if choice.instruction is not None:
        data["instruction"] = choice.instruction
    return data | {"fail": choice.fail} if choice.fail else data


def program_hash(elf: bytes) -> str:
    """What a schedule names its program by."""
    return hashlib.sha256(elf).hexdigest()


def make(session: Session, choices: Sequence[Choice]) -> Schedule:
    """The schedule of these choices for the program of a session that is told what to do."""
    told = session.kernel.sched.rq.told
    assert told is not None
    time = FREE if told.time_is_free else FIXED
    return Schedule(program_hash(session.elf), time, told.everywhere, tuple(choices), told.faults)


def read(path: str) -> Schedule:
    """A schedule from its file. Raises HostError in one line."""
    try:
        data = json.loads(read_regular(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise HostError(EXIT_MISUSE, f"cannot read the schedule {path}: {reason}") from None
    try:
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, not {SCHEMA}")
        choices = tuple(_choice(one) for one in data["choices"])
        schedule = Schedule(
            data["program"], data["time"], data["everywhere"], choices, data.get("faults", 0)
        )
        if schedule.time not in (FIXED, FREE) or type(schedule.everywhere) is not bool:
            raise ValueError("time or everywhere")
        if type(schedule.faults) is not int or schedule.faults < 0:
            raise ValueError(f"faults {schedule.faults!r}")
    except (TypeError, KeyError, ValueError) as error:
        raise HostError(EXIT_MISUSE, f"{path} is not a schedule of toykernel: {error}") from None
    return schedule


def _choice(data: dict[str, Any]) -> Choice:
    run, of, at = data["run"], tuple(data["of"]), data.get("instruction")
    fail = data.get("fail", 0)
    numbers = (run, *of, fail) if at is None else (run, *of, fail, at)
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"choice {data!r}")
    return Choice(run, of, at, fail)


def follow(session: Session, schedule: Schedule) -> Failures | None:
    """Have a fresh session go that way; its config names the scheduler `schedule`. Answers who lets
    allocations fail, if any does. Raises HostError.
    """
    if schedule.program != program_hash(session.elf):
        raise HostError(EXIT_MISUSE, f"the schedule does not fit: it is not of {session.path}")
    told = session.kernel.sched.rq.told
    assert told is not None
    told.choices = list(schedule.choices)
    told.time_is_free, told.everywhere = schedule.time == FREE, schedule.everywhere
    told.faults = schedule.faults
    if schedule.faults:
        return Failures(session.kernel)
    return None


def refuse_rest(session: Session) -> None:
    """A run is over. Raises HostError when its schedule has choices left."""
    told = session.kernel.sched.rq.told
    if told is not None and told.choices and session.kernel.outcome is not None:
        left, made = len(told.choices), told.made
        raise HostError(
            EXIT_MISUSE,
            f"the schedule does not fit: the run was over after {made} choices, {left} are left",
        )
