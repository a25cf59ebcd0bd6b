"""toykernel cycles: its figures add up, and looking changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from toykernel.cli.group import cli
from toykernel.harness import runner
from toykernel.harness.session import Session
from toykernel.observe.cycles import CycleProfile
from toykernel.observe.cycles_text import comparison, html, text
from toykernel.state import Config

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
    assert sum(f["cycles"] for f in data["functions"]) + charged == data["cycles"]
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
    page = html(data)
    assert "<script" not in page
    assert "http" not in page
    assert "src=" not in page
    lines = {
        line.split("  ")[1].strip(): line
        for line in comparison(eager, data).split("\n")
        if "  " in line
    }
    assert "+" in lines["kernel copy_page"]


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
