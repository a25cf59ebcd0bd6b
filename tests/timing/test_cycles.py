"""toykernel cycles: its figures add up, and looking changes nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from toykernel.cli.group import cli
from toykernel.harness import runner
from toykernel.harness.build import Recipe
from toykernel.harness.session import Session
from toykernel.observe.cycles import CycleProfile
from toykernel.observe.cycles_html import html
from toykernel.observe.cycles_text import comparison, tables, text
from toykernel.state import Config
from toykernel.timing_costs import COSTS

USERLAND = Path(__file__).parent.parent.parent / "userland"


def profile(
    name: str, timing: str = "i486", *, eager: bool = False
) -> tuple[CycleProfile, Session]:
    session = Session(USERLAND / f"{name}.S", config=Config(timing=timing, eager_fork=eager))
    found = CycleProfile(session)
    runner.run(session)
    return found, session


@pytest.mark.parametrize("timing", ["i486", "i486-ideal", "i386"])
def test_every_cycle_is_accounted_for(timing: str) -> None:
    found, _ = profile("cow_copy_reuse", timing)
    data = found.data()
    assert sum(data["by_rule"].values()) == data["cycles"]
    charged = sum(
        n for r, n in data["by_rule"].items() if r.startswith(("kernel ", "gate", "halted"))
    )
    assert sum(line["cycles"] for line in data["lines"]) + charged == data["cycles"]
    hardware = sum(n for r, n in data["by_rule"].items() if r.startswith(("gate", "halted")))
    assert sum(f["cycles"] for f in data["functions"]) + hardware == data["cycles"]
    for event in data["events"].values():
        parts = event["hardware"] + event["entry"] + event["kernel"] + event["idle"]
        assert parts == event["cycles"]
        assert event["entry"] > 0


def test_hardware_of_a_system_call_is_the_gate_and_the_return() -> None:
    data = profile("hello", "i486-ideal")[0].data()
    write = data["events"]["write"]
    assert write["hardware"] == 107 * write["count"]


def test_a_copy_on_write_fault_is_131_of_hardware_and_a_copied_page() -> None:
    data = profile("fork_sample", "i486-ideal")[0].data()
    fault = data["events"]["#PF (cow_copied)"]
    assert fault["hardware"] == 131 * fault["count"]
    assert fault["kernel"] >= 3084 * fault["count"]


def test_the_listing_names_source_lines() -> None:
    data = profile("fork_sample")[0].data()
    ours = [line for line in data["lines"] if line["image"] == "program"]
    assert any("This is Parent" in (line["source"] or "") for line in ours)
    assert {line["function"] for line in ours} >= {"_start", "parent", "child"}


def test_looking_changes_nothing() -> None:
    found, watched = profile("fork_sample")
    alone = Session(USERLAND / "fork_sample.S", config=Config(timing="i486"))
    runner.run(alone)
    assert watched.kernel.machine.clock.by_rule() == alone.kernel.machine.clock.by_rule()
    assert found.data() == profile("fork_sample")[0].data()


def test_texts() -> None:
    data, eager = profile("fork_sample")[0].data(), profile("fork_sample", eager=True)[0].data()
    assert "kernel copy_page" in text(data)
    lines = {
        line.split("  ")[1].strip(): line
        for line in comparison(eager, data).split("\n")
        if "  " in line
    }
    assert "+" in lines["kernel copy_page"]


def test_the_kernels_functions_in_python_are_in_the_summary() -> None:
    data = profile("fork_sample")[0].data()
    python = {f["function"]: f for f in data["functions"] if f["image"] == "python"}
    kernel = {r: n for r, n in data["by_rule"].items() if r.startswith("kernel ")}
    assert sum(f["cycles"] for f in python.values()) == sum(kernel.values())
    assert python["sys_fork"]["executions"] == 2
    assert python["sys_write"]["executions"] == 5
    tail = python["schedule_tail"]  # which costs nothing but its call
    assert tail["cycles"] == tail["executions"] * COSTS["call"]
    assert "power-on" not in python  # the first call is the first function's
    assert python["sys_fork"]["cycles"] > kernel["kernel copy_task"]
    # One page copied, and nothing else of note: what the fault of the other page costs more.
    assert python["do_page_fault"]["cycles"] >= kernel["kernel copy_page"]
    assert "python   sys_fork" in text(data)


def listing(data: dict[str, Any]) -> list[list[str]]:
    return next(rows for title, _, rows in tables(data) if title == "Listing")


def test_a_line_of_a_macro_names_the_file_that_it_is_in() -> None:
    sources = [row[-1] for row in listing(profile("fork_sample")[0].data())]
    assert any(
        re.fullmatch(r"24: sys_fork.* > linux\.inc:\d+: movl \$__NR_fork, %eax", s) for s in sources
    ), sources
    assert all(re.match(r"\d+: ", s) for s in sources)  # of its own file the number is enough


def test_a_program_of_two_files_names_both(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text(".globl _start\n_start: call seven\nmovl $1, %eax\nint $0x80\n")
    (tmp_path / "b.S").write_text(".globl seven\nseven: movl $7, %ebx\nret\n")
    recipe = Recipe(others=(tmp_path / "b.S",))
    session = Session(tmp_path / "a.S", config=Config(timing="i486"), recipe=recipe)
    found = CycleProfile(session)
    runner.run(session)
    sources = [row[-1] for row in listing(found.data())]
    assert "b.S:2: seven: movl $7, %ebx" in sources
    assert "2: _start: call seven" in sources


def test_the_page_sorts_shows_heat_and_needs_nothing_else() -> None:
    data = profile("fork_sample")[0].data()
    page = html(data)
    assert page.count("<script>") == 1
    assert "http" not in page
    assert "src=" not in page
    widths = [int(n) for n in re.findall(r"max-width:(\d+)px", page)]
    assert widths
    assert max(widths) <= 1200
    hot = re.findall(
        r'rgba\(231,76,60,([\d.]+)\)">(?:<td[^>]*>[^<]*</td>)*?<td>([\d.]+)%</td>', page
    )
    by_share = sorted((float(share), float(strength)) for strength, share in hot)
    assert len(by_share) > 10
    assert [strength for _, strength in by_share] == sorted(s for _, s in by_share)
    assert len(re.findall(r'<tr class="total">', page)) == 1


#: A table for the page's script, printed after each click: no more of a browser than it asks for.
BROWSER = """
let clicked;
const document = {addEventListener: (_, listener) => { clicked = listener; }};
SCRIPT
const names = set => ({contains: name => set.includes(name)});
const row = (cells, ...classes) => (
  {cells: cells.map(text => ({textContent: text})), classList: names(classes)});
const body = {
  rows: [row(["tlb", "657"]), row(["base", "2,613"]), row(["agi", "33"]), row(["total", "9"], "total")],
  append: function (...rows) { this.rows = rows; },
};
const table = {tBodies: [body]};
const heads = [["rule", "t"], ["cycles"]].map(([text, ...classes], cellIndex) => ({
  cellIndex, classList: names(classes), sort: null,
  getAttribute: function () { return this.sort; },
  setAttribute: function (_, value) { this.sort = value; },
  removeAttribute: function () { this.sort = null; },
  closest: function (what) { return what === "th" ? this : table; },
}));
for (const head of heads) head.parentNode = {cells: heads};
for (const index of [1, 1, 0]) {
  clicked({target: heads[index]});
  console.log(body.rows.map(one => one.cells[0].textContent).join(" "), heads[index].sort);
}
"""


@pytest.mark.skipif(
    shutil.which("node") is None, reason="no node: the page's script does not run here"
)
def test_a_click_on_a_column_sorts_by_it() -> None:
    page = html(profile("hello")[0].data())
    script = page.partition("<script>")[2].partition("</script>")[0]
    done = subprocess.run(
        ["node", "-e", BROWSER.replace("SCRIPT", script)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "base tlb agi total descending",
        "agi tlb base total ascending",
        "agi base tlb total ascending",
    ]


def test_the_command(tmp_path: Path) -> None:
    run = CliRunner()
    source, saved = str(USERLAND / "hello.S"), str(tmp_path / "a.json")
    page = tmp_path / "a.html"
    done = run.invoke(cli, ["cycles", "--json", saved, "--html", str(page), source])
    assert json.loads(Path(saved).read_text())["profile"] == "i486"
    assert "Listing" in done.output
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert "difference" in run.invoke(cli, ["cycles", "--against", saved, source]).output
    (tmp_path / "b.json").write_text("[]")
    wrong = run.invoke(cli, ["cycles", "--against", str(tmp_path / "b.json"), source])
    assert wrong.exit_code == 2
    assert "was not written by" in wrong.output
    assert run.invoke(cli, ["cycles", "--timing", "off", source]).exit_code == 2


def test_the_profile_off_is_refused() -> None:
    with pytest.raises(ValueError, match="counts no cycles"):
        CycleProfile(Session(USERLAND / "hello.S"))
