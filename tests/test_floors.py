"""The contract behind `make lint`'s floors finds what it is for."""

import pytest

pytest.importorskip("importlinter")

from floors import FloorsContract
from grimp import ImportGraph

FLOORS = ["top: house.cellar.stairs house.roof", "bottom: house.cellar =house"]


def check(*imports: tuple[str, str], modules: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The findings for a house with these imports."""
    graph = ImportGraph()
    known = ("house", "house.roof", "house.cellar", "house.cellar.wine", "house.cellar.stairs")
    for module in (*known, *modules):
        graph.add_module(module)
    for importer, imported in imports:
        graph.add_import(
            importer=importer, imported=imported, line_number=7, line_contents="import"
        )
    contract = FloorsContract("floors", {}, {"floors": FLOORS})
    result = contract.check(graph, verbose=False)
    found = {what: lines for what, lines in result.metadata.items() if lines}
    assert result.kept == (not found)
    return found


def test_down_and_across_is_allowed() -> None:
    assert not check(
        ("house.roof", "house.cellar.wine"),
        ("house.roof", "house.cellar.stairs"),
        ("house.cellar.stairs", "house.cellar.wine"),
    )


def test_up_is_not_even_inside_a_package() -> None:
    assert check(("house.cellar.wine", "house.cellar.stairs")) == {
        "breaches": ["house.cellar.wine:7 (bottom) imports house.cellar.stairs (top)"]
    }


def test_a_circle_on_one_floor() -> None:
    found = check(("house.roof", "house.cellar.stairs"), ("house.cellar.stairs", "house.roof"))
    assert set(found) == {"circle"}
    assert set(found["circle"]) == {"house.roof", "house.cellar.stairs"}


def test_a_module_without_a_floor() -> None:
    assert check(modules=("house.garden",)) == {"homeless": ["house.garden"]}


def test_a_floor_without_its_module() -> None:
    graph = ImportGraph()
    graph.add_module("house")
    contract = FloorsContract("floors", {}, {"floors": FLOORS})
    result = contract.check(graph, verbose=False)
    assert result.metadata["unused"] == ["house.cellar", "house.cellar.stairs", "house.roof"]
