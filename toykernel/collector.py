"""Listeners whose data a snapshot takes along, so that going back takes back what was reported since."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

Data = Mapping[str, Any]
Shared = Mapping[str, tuple[Any, ...]]


class Collector:
    """A listener that names what it has collected: all that changes in it while it listens.

    `collected` is pickled along with the kernel, so it may hold tasks. `shared` are attributes that are
    only added to, and whose items never change: a snapshot shares the items. What a listener has written to
    a file or a terminal stays there.
    """

    collected: ClassVar[tuple[str, ...]] = ()
    shared: ClassVar[tuple[str, ...]] = ()

    def save_data(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.collected}

    def save_shared(self) -> dict[str, tuple[Any, ...]]:
        return {name: tuple(getattr(self, name)) for name in self.shared}

    def load_data(self, data: Data, shared: Shared) -> None:
        """Become what was saved."""
        for name in self.collected:
            setattr(self, name, data[name])
        for name in self.shared:
            kept = getattr(self, name)
            if isinstance(kept, deque):
                setattr(self, name, deque(shared[name], kept.maxlen))
            else:
                setattr(self, name, list(shared[name]))

    def start_over(self) -> None:
        """Back to a moment before this one listened: nothing has been collected yet."""
        self.load_data(
            {name: _nothing(getattr(self, name)) for name in self.collected},
            dict.fromkeys(self.shared, ()),
        )


def _nothing(value: Any) -> Any:
    """An empty one of the kind; None for what has none."""
    if isinstance(value, dict | list | set | str | bytes | bool | int):
        return type(value)()
    return None
