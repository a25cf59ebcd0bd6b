"""The structures of emu/_native and their mirrors in Python: every field, by offset and size."""

import ctypes
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import emu
from emu.blocks import BlockState
from emu.cpu import load_native
from emu.errors import EngineContractError
from emu.hooks import EngineState, Field, UserAccess, WatchRecord
from emu.layout import check_layout, places
from emu.machine import Machine
from emu.timing.native import NativeAccess, NativeInsn, TimingState
from emu.trap_plan import TrapPlanRecord, TrapPlanTable
from emu.x87.native import X87State

MIRRORS: dict[str, tuple[str, type[ctypes.Structure]]] = {
    "engine_state": ("_engine_state.h", EngineState),
    "field": ("_engine_state.h", Field),
    "watch": ("_engine_state.h", WatchRecord),
    "user_access": ("_engine_state.h", UserAccess),
    "access": ("_timing.h", NativeAccess),
    "insn": ("_timing.h", NativeInsn),
    "timing": ("_timing.h", TimingState),
    "blocks": ("_blocks.h", BlockState),
    "trap_plan": ("_traps.h", TrapPlanRecord),
    "trap_plans": ("_traps.h", TrapPlanTable),
    "x87_unit": ("_x87_trap.h", X87State),
}
HEADS = ("blocks", "x87_unit")  # Python knows their beginnings only
native = load_native()
pytestmark = pytest.mark.skipif(native is None, reason="built without a C compiler")


def declared(name: str) -> list[str]:
    """The fields of a structure in the order of its C text."""
    source = Path(emu.__file__).with_name(MIRRORS[name][0]).read_text()
    text = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    body = re.search(rf"^struct {name} {{(.*?)^}};", text, re.MULTILINE | re.DOTALL)
    assert body
    flat = re.sub(r"struct {[^}]*}", "struct nameless", body[1])
    lists = (re.sub(r"^(struct )?\w+ ", "", line.strip()) for line in flat.split(";"))
    return [
        re.sub(r"\[.*", "", field).strip() for line in lists if line for field in line.split(",")
    ]


@pytest.mark.parametrize("name", MIRRORS)
def test_every_field_lies_where_c_has_it(name: str) -> None:
    size, fields = native.layouts[name]
    mirror = MIRRORS[name][1]
    assert places(mirror) == fields
    assert check_layout(native, name, mirror, head=name in HEADS) == size
    names = declared(name)
    assert list(fields) == (names[: len(fields)] if name in HEADS else names)
    assert fields[names[0]][0] == 0


def test_every_structure_has_a_mirror() -> None:
    assert set(native.layouts) == set(MIRRORS)


def altered(name: str, field: str, place: tuple[int, int]) -> SimpleNamespace:
    size, fields = native.layouts[name]
    return SimpleNamespace(layouts={**native.layouts, name: (size, {**fields, field: place})})


@pytest.mark.parametrize("name", MIRRORS)
def test_two_fields_that_change_places_are_found(name: str) -> None:
    """The size alone would say that nothing is wrong."""
    mirror = MIRRORS[name][1]
    fields = native.layouts[name][1]
    first, second = list(fields)[:2]
    swapped = altered(name, first, fields[second])
    swapped.layouts[name][1][second] = fields[first]
    with pytest.raises(EngineContractError, match=rf"struct {name}, field {first}"):
        check_layout(swapped, name, mirror, head=name in HEADS)


def test_a_field_more_in_c_is_found() -> None:
    with pytest.raises(EngineContractError, match="struct timing, field agi_more"):
        check_layout(altered("timing", "agi_more", (8, 4)), "timing", TimingState)


def test_an_older_build_is_found() -> None:
    with pytest.raises(EngineContractError, match="another version"):
        check_layout(SimpleNamespace(), "field", Field)


@pytest.mark.parametrize("name", MIRRORS)
def test_a_machine_looks_at_each(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size, fields = native.layouts[name]
    field = next(iter(fields))
    monkeypatch.setitem(native.layouts, name, (size, {**fields, field: (4, fields[field][1])}))
    with pytest.raises(EngineContractError, match=f"struct {name}, field {field}"):
        Machine(1 << 20)
