"""A path into a run's report: `faults.cow_copied`, `tasks[0].comm`, `tasks[pid=3].cow_copied`.

`.name` takes a member of an object, `[N]` the element number N of a list, `[name=value]` the only
element of a list whose member `name` is written `value`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]|\[(?P<key>\w+)=(?P<value>[^\]]+)\]")


class NotInReport(LookupError):
    """The report has nothing at a path; the message says how far the path leads."""


@dataclass(frozen=True)
class ReportPath:
    """A well-formed path: its steps, each a member name, a list index, or (member, value)."""

    text: str
    steps: tuple[str | int | tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> "ReportPath":
        """A path from its text, such as `tasks[0].faults.cow_copied`.

        Raises ValueError, saying what a path looks like.
        """
        steps: list[str | int | tuple[str, str]] = []
        dotted = "." + text
        at = 0
        while at < len(dotted):
            match = _STEP.match(dotted, at)
            if match is None:
                raise ValueError(f"malformed report path `{text}`: write a.b, a[0].b or a[k=v].b")
            if match["name"] is not None:
                steps.append(match["name"])
            elif match["index"] is not None:
                steps.append(int(match["index"]))
            else:
                steps.append((match["key"], match["value"]))
            at = match.end()
        return cls(text, tuple(steps))

    def look_up(self, report: Mapping[str, object]) -> object:
        """The value at this path. Raises NotInReport."""
        value: object = report
        walked = "report"
        for step in self.steps:
            value = _take(value, step, walked)
            walked += _written(step)
        return value


def _written(step: str | int | tuple[str, str]) -> str:
    if isinstance(step, str):
        return f".{step}"
    return f"[{step}]" if isinstance(step, int) else f"[{step[0]}={step[1]}]"


def _take(value: object, step: str | int | tuple[str, str], walked: str) -> object:
    if isinstance(step, str):
        if not isinstance(value, Mapping):
            raise NotInReport(f"{walked} is not an object, it has no `{step}`")
        if step not in value:
            raise NotInReport(f"{walked} has no `{step}`; it has: {', '.join(map(str, value))}")
        return value[step]
    if not isinstance(value, list | tuple):
        raise NotInReport(f"{walked} is not a list")
    if isinstance(step, int):
        if step >= len(value):
            raise NotInReport(f"{walked} has {len(value)} elements, there is no [{step}]")
        return value[step]
    key, wanted = step
    found = [e for e in value if isinstance(e, Mapping) and key in e and str(e[key]) == wanted]
    if len(found) != 1:
        raise NotInReport(f"{walked} has {len(found)} elements with {key}={wanted}, not one")
    return found[0]
