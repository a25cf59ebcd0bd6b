"""Pickles of one kernel's data, one after another; they never leave this process.

What cannot change is not in them: classes, functions, tables of operations, text, and bytes, as those of
files. A first pickle, made for that, finds it; the others name it by a number, which takes half the time.
"""

from __future__ import annotations

import copyreg
import gc
import pickle
import types
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NoReturn

from toykernel.fs.operations import Operations
from toykernel.history.errors import HistoryError
from toykernel.host import HOST_TYPES
from toykernel.state import Kernel

_UNCHANGING = (type, types.FunctionType, types.BuiltinFunctionType, Operations, str, bytes)


class Known:
    """Objects that pickles name by their numbers here."""

    def __init__(self, objects: Iterable[object] = ()) -> None:
        self.objects = tuple(objects)
        # The pickle module copies a memo faster from one of its own than from a dictionary.
        self.pickler = pickle.Pickler(BytesIO(), pickle.HIGHEST_PROTOCOL)
        self.pickler.memo = {id(one): (number, one) for number, one in enumerate(self.objects)}
        # Gives these objects these numbers where a pickle is read.
        self.prologue = b"".join(
            pickle.BININT
            + number.to_bytes(4, "little")
            + pickle.BINPERSID
            + pickle.MEMOIZE
            + pickle.POP
            for number in range(len(self.objects))
        )


@dataclass(frozen=True, repr=False)
class Pickled:
    """A value as it was."""

    data: bytes
    known: Known

    def __len__(self) -> int:
        return len(self.data)

    def load(self) -> Any:
        """The value, in new records."""
        unpickler = pickle.Unpickler(BytesIO(self.known.prologue + self.data))
        unpickler.persistent_load = self.known.objects.__getitem__  # type: ignore[method-assign]
        collecting = gc.isenabled()
        gc.disable()  # of what is being made, nothing is garbage
        try:
            return unpickler.load()
        finally:
            if collecting:
                gc.enable()


class Pickles:
    """Makes them."""

    def __init__(self) -> None:
        self._known: Known | None = None

    def dump(self, value: Any) -> Pickled:
        """A value as it is. Raises HistoryError for one that leads to what is the host's."""
        if self._known is None:
            met = [one for _, one in _dump(value, Known())[1].memo.copy().values()]
            self._known = Known(one for one in met if isinstance(one, _UNCHANGING))
        return Pickled(_dump(value, self._known)[0], self._known)


def _dump(value: Any, known: Known) -> tuple[bytes, pickle.Pickler]:
    buffer = BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = {
        **copyreg.dispatch_table,
        **dict.fromkeys((*HOST_TYPES, Kernel), _refuse),
    }
    pickler.memo = known.pickler.memo
    try:
        pickler.dump(value)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise HistoryError(f"the kernel's data cannot be kept: {error}") from None
    return buffer.getvalue(), pickler


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"it leads to a {type(value).__name__}, which is the host's")
