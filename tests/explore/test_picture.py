"""The graph of states as a picture: what is drawn, what is folded, and where it goes."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from toykernel.cli.group import call
from toykernel.explore import picture
from toykernel.explore.ending import End, Ending
from toykernel.explore.fold import fold
from toykernel.explore.graph import Graph, Node, Step
from toykernel.explore.layout import lay_out
from toykernel.kernel.sched.runqueue import Choice

PROGRAMS = Path(__file__).parent / "programs"
A, B = (Ending(text, b"", End.FINISHED, 0) for text in (b"a", b"b"))
SVG = "{http://www.w3.org/2000/svg}"


def graph_of(*states: dict[int, int | Ending], of: tuple[int, ...] = (2, 3)) -> Graph:
    """By pid, where each state leads."""
    return Graph(
        [
            Node(of, {pid: Step(Choice(pid, of), pid, to) for pid, to in one.items()})
            for one in states
        ]
    )


#: 0 decides; 1 and 3 end in A whatever comes, 2 goes on to 4 by both; 4 decides.
DECIDES_TWICE = graph_of({2: 1, 3: 2}, {2: 3, 3: A}, {2: 4, 3: 4}, {2: A, 3: A}, {2: A, 3: B})


def drawn(graph: Graph, **limits: int) -> set[tuple[int, int | Ending, tuple[int, ...], bool]]:
    return {(a.source, a.to, a.pids, a.through) for a in fold(graph, **limits).arrows}


def test_a_small_graph_is_drawn_as_it_is() -> None:
    folded = fold(DECIDES_TWICE)
    assert folded.vertices == [0, 1, 2, 3, 4, A, B]
    assert folded.inside == 0
    assert (2, 4, (2, 3), False) in drawn(DECIDES_TWICE)


def test_what_decides_nothing_becomes_part_of_an_arrow() -> None:
    folded = fold(DECIDES_TWICE, small=2)
    assert folded.vertices == [0, 4, A, B]
    assert folded.inside == 3
    assert drawn(DECIDES_TWICE, small=2) == {
        (0, A, (2,), True),
        (0, 4, (3,), True),
        (4, A, (2,), False),
        (4, B, (3,), False),
    }


def test_states_with_choices_that_were_not_tried_stay() -> None:
    graph = graph_of({2: 1, 3: B}, {2: A})
    folded = fold(graph, small=0)
    assert folded.vertices == [0, 1, A, B]
    assert folded.untried == {1: 1}


def test_a_circle_without_an_end_is_no_outcome() -> None:
    graph = graph_of({2: 1, 3: A}, {2: 1, 3: 1})
    assert drawn(graph, small=0) == {
        (0, 1, (2,), False),
        (0, A, (3,), False),
        (1, 1, (2, 3), False),
    }


def test_for_want_of_room_the_shortest_ways_to_outcomes_come_first() -> None:
    #: 0 to 9 in a row, at each of which B is near; A only at the end, and 10 beside.
    row = [{2: n + 1, 3: B} for n in range(9)]
    graph = graph_of(*row, {2: A, 3: 10}, {2: A, 3: B})
    folded = fold(graph, small=0, most=12)
    assert A in folded.vertices
    assert B in folded.vertices
    assert (folded.left_out, folded.left_out_ends) == (1, 0)
    assert folded.more == {9: 1}
    few = fold(graph, small=0, most=4)
    assert few.vertices == [0, 1, 2, B]
    assert (few.left_out, few.left_out_ends) == (8, 1)
    assert few.more == {2: 1}


@pytest.mark.parametrize(
    "arrows",
    [
        [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4)],
        [(0, 1), (1, 2), (2, 0), (2, 2), (2, 3), (0, 4)],
        [(0, n) for n in range(1, 5)],
    ],
)
def test_boxes_do_not_touch_and_arrows_reach_them(arrows) -> None:
    layout = lay_out([(40.0 + 10 * n, 24.0) for n in range(5)], arrows)
    for one, two in combinations(layout.boxes, 2):
        apart = (one.width + two.width) / 2 <= abs(one.x - two.x)
        assert apart or (one.height + two.height) / 2 < abs(one.y - two.y)
    for (a, b), route in zip(arrows, layout.routes, strict=True):
        for number, (x, y) in ((a, route[0]), (b, route[-1])):
            box = layout.boxes[number]
            assert abs(x - box.x) <= box.width / 2
            assert abs(y - box.y) <= box.height / 2
    for box in layout.boxes:
        assert -0.1 <= box.x - box.width / 2 <= box.x + box.width / 2 <= layout.width + 0.1


def test_the_picture_has_every_outcome_with_its_output(explored) -> None:
    found, table = explored("two_writers")
    text = picture.svg(found, table, "<two> & more", ["p/1.html", "p/2.html"])
    root = ElementTree.fromstring(text)
    words = [node.text for node in root.iter(f"{SVG}text")]
    assert "<two> & more: every order of its tasks" in words
    leaves = [[node.text for node in link.iter(f"{SVG}text")] for link in root.iter(f"{SVG}a")]
    assert sorted(leaves) == [["1. status 0", "cp"], ["2. status 0", "pc"]]
    links = {link.get("href"): link for link in root.iter(f"{SVG}a")}
    assert next(node.text for node in links["p/2.html"].iter(f"{SVG}text")) == "2. status 0"
    assert picture.svg(found, table, "<two> & more", ["p/1.html", "p/2.html"]) == text


def test_the_command_writes_a_graph_that_leads_to_pages(tmp_path, capfd) -> None:
    program = str(PROGRAMS / "two_writers.S")
    pages = tmp_path / "moments of it"
    for name in ("one.html", "two.html", "it.svg"):
        target = str(tmp_path / name)
        assert call(["explore", "--graph", target, "--pages", str(pages), program]) == 0
    capfd.readouterr()
    first, second = ((tmp_path / name).read_text() for name in ("one.html", "two.html"))
    assert first == second
    for number in (1, 2):
        assert f'href="moments%20of%20it/{number}.html"' in first
        assert f'href="moments%20of%20it/{number}.html"' in (tmp_path / "it.svg").read_text()
        assert (pages / f"{number}.html").read_text().startswith("<!DOCTYPE html>")
    assert "2 outcomes with 2 outputs" in first


def test_the_page_of_an_outcome_is_the_run_by_its_schedule(tmp_path, capfd) -> None:
    from toykernel.cli.explore_pictures import shown_by
    from toykernel.testing import explore

    orders = explore(PROGRAMS / "two_writers.S")
    for row in orders.outcomes:
        shown = shown_by(orders.explored.make, row, None)
        output = [one for line in shown.lines for one in json.loads(line).get("output", ())]
        assert "".join(text for _, _, text in output) == row.ending.stdout.decode()


def test_a_graph_is_refused_before_the_work(tmp_path, capfd) -> None:
    program = tmp_path / "it.svg"
    program.write_text((PROGRAMS / "two_writers.S").read_text())
    assert call(["explore", "--graph", "it.png", str(program)]) == 125
    assert "neither .svg nor .html" in capfd.readouterr().err
    assert call(["explore", "--graph", str(program), str(program)]) == 125
    assert "is the program itself" in capfd.readouterr().err
