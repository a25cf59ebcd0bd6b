"""A run that is being shown: its lines, and what is made of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toykernel.observe.trap_frames import FrameLog
from toykernel.show.align import aligned
from toykernel.show.format import Data, header, patched
from toykernel.show.page import page
from toykernel.show.record import MAX_BYTES, MAX_EVENTS, MAX_STEPS, Recorder
from toykernel.show.state import StateReader
from toykernel.show.svg import picture

if TYPE_CHECKING:
    from toykernel.harness.session import Session


class Shown:
    """Listens to a session from now on. In a notebook it shows itself as the page."""

    def __init__(
        self,
        session: Session,
        *,
        options: Mapping[str, Any] | None = None,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        max_steps: int = MAX_STEPS,
        traps: Collection[int] | None = None,
    ) -> None:
        """Make it before the session runs: `session.run` goes through it. `traps`: events inside which
        single instructions are kept, `max_steps` in all; None: from the first trap on.
        """
        self.title = session.path.name
        self.lines: list[str] = []
        self._recorder = Recorder(
            session,
            self.lines.append,
            options=options,
            max_events=max_events,
            max_bytes=max_bytes,
            max_steps=max_steps,
            traps=traps,
        )
        session.drive = self._recorder.run

    def finish(self) -> None:
        """The run is over, or far enough. Harmless when done already."""
        self._recorder.finish()

    def html(self, against: Shown | None = None) -> str:
        """The page; with another run, of both side by side."""
        if against is None:
            return page(self.title, self.lines)
        pairs = aligned(self.events(), against.events())
        return page(self.title, self.lines, against.lines, pairs)

    def save(self, path: Path | str) -> None:
        """Write the page to a file. Raises OSError."""
        Path(path).write_text(self.html(), encoding="utf-8")

    def svg(self, event: int) -> str:
        """The moment right after an event as a picture. Raises LookupError."""
        state: Data = {}
        before: Data = {}
        images: dict[str, Data] = {}
        first: Data = json.loads(self.lines[0])
        for text in self.lines[1:]:
            data = json.loads(text)
            if "image" in data:
                images[data["image"]] = data
                continue
            before, state = state, data.get("state") or patched(state, data.get("delta", {}))
            if data.get("number") == event:
                return picture(first, images, data, state, before)
        raise LookupError(f"there is no event {event}; the last one is {len(self.events()) - 1}")

    def events(self) -> list[Data]:
        """Every event's line, without states."""
        found = []
        for text in self.lines[1:]:
            data = json.loads(text)
            if "number" in data:
                found.append(
                    {n: v for n, v in data.items() if n not in ("state", "delta", "steps")}
                )
        return found

    def need_traps(self, numbers: Collection[int]) -> None:
        """Raises LookupError for the first number that is not that of a trap."""
        kinds = [event["kind"] for event in self.events()]
        for number in numbers:
            if number >= len(kinds):
                raise LookupError(f"there is no event {number}; the last one is {len(kinds) - 1}")
            if kinds[number] != "trap":
                traps = [n for n, kind in enumerate(kinds[:number]) if kind == "trap"]
                before = f"; the trap before it is event {traps[-1]}" if traps else ""
                raise LookupError(f"event {number} is no trap but a {kinds[number]}{before}")

    def summary(self) -> str:
        """How much there is, in words."""
        count = sum(1 for text in self.lines if text.startswith('{"number"'))
        left = f" ({self._recorder.left_out:,} left out)" if self._recorder.left_out else ""
        return f"{count:,} events{left}"

    def _repr_html_(self) -> str:
        document = escape(self.html(), quote=True)
        return (
            f'<iframe title="{escape(self.title)}: a run" srcdoc="{document}" '
            'style="width:100%;height:800px;border:1px solid #888"></iframe>'
        )


def moment(session: Session) -> str:
    """Where a session stands, as a picture (SVG)."""
    k = session.kernel
    frames = FrameLog(k)
    state = StateReader(k, session.images, frames).read()
    frames.close()
    now = {"kind": "now", "cycles": state["cycles"], "pid": state["current"]}
    return picture(header(session.path.name, {}), {}, now, state, {})
