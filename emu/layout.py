"""The structures that emu/_native shares with Python, compared field by field with their mirrors here."""

from __future__ import annotations

import ctypes
from typing import Any

from emu.errors import EngineContractError


def places(mirror: type[ctypes.Structure]) -> dict[str, tuple[int, int]]:
    """Offset and size in bytes of each field of a mirror."""
    names = [row[0] for row in mirror._fields_]
    return {n: (getattr(mirror, n).offset, getattr(mirror, n).size) for n in names}


def check_layout(
    module: Any, name: str, mirror: type[ctypes.Structure], *, head: bool = False
) -> int:
    """The size in bytes that C has for `struct name`; `head`: the mirror is only its beginning.

    Raises EngineContractError with the first field that the two have in different places.
    """
    size, fields = getattr(module, "layouts", {}).get(name, (0, {}))
    mine = places(mirror)
    if mine == fields and (head or size == ctypes.sizeof(mirror)):
        return int(size)
    differ = [f for f in (*mine, *fields) if mine.get(f) != fields.get(f)]
    what = f"struct {name}" + (f", field {differ[0]}" if differ else "")
    raise EngineContractError(
        f"emu/_native was built from another version ({what}); reinstall the package"
    )
