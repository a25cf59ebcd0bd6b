"""Events with their states, as lines and as what the page says of them, against fresh sessions."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from emu.paging import PTE_P
from emu.ram import PAGE_SHIFT
from toykernel import Session
from toykernel.history.history import History
from toykernel.look.task import SEGMENTS
from toykernel.show.format import merge_patch, patched, read
from toykernel.show.shown import Shown
from toykernel.state import Config

USERLAND = Path(__file__).parents[2] / "userland"
#: Programs of all kinds: forks, COW, threads, pipes, signals, exec, files, traps.
PROGRAMS = (
    *(
        "fork_sample",
        "cow_copy_reuse",
        "fork_tree",
        "wait_status",
        "orphan",
        "vfork_order",
        "pipe_talk",
    ),
    *("thread_join", "signal_stop", "close_on_exec", "clone_sharing", "shared_memory", "mmap_file"),
    *("zero_page", "signal_child", "inherited_lock", "timers", "fork_loop", "tf_single_step"),
    "cow_by_kernel",
)
EVENTS = 50
LIMIT = 1_000_000  # cycles: hundreds of events

#: What the page says at each of some events, read from its elements as a person would.
READ = """numbers => numbers.map(number => {
  toykernel.go(number);
  const text = element => element ? element.textContent.trim() : "";
  const first = element => text(element).split(" ")[0];
  const all = selector => [...document.querySelectorAll(selector)];
  const registers = {}, entries = {}, counts = {}, places = {}, output = {};
  for (const row of all(".registers [data-register]")) registers[row.dataset.register] = first(row.cells[1]);
  for (const space of all(".spaces [data-space]")) {
    const mine = entries[space.dataset.space] = {};
    for (const row of space.querySelectorAll("[data-entry]")) mine[text(row.cells[0])] = first(row.cells[1]);
  }
  for (const box of all(".frames [data-frame]"))
    counts[box.dataset.frame] = +/(\\d+) ref/.exec(box.textContent)[1];
  for (const task of all(".processes [data-task]"))
    places[task.dataset.task] = first(task.querySelector(".place"));
  for (const piece of all(".output .said")) {
    const pid = piece.dataset.pid;
    output[pid] = (output[pid] || "") + text(piece.querySelector(".text"));
  }
  const whole = all(".output .text").map(one => one.textContent).join("");
  return { registers, entries, counts, places, whole,
           about: document.querySelector(".registers p").textContent };
})"""


def shown(name: str, **limits: Any) -> Shown:
    """A program's run, recorded."""
    session = Session(USERLAND / f"{name}.S", config=Config(timing="i486"))
    run = Shown(session, **limits)
    session.run(LIMIT)
    run.finish()
    return run


def truth(session: Session) -> dict[str, Any]:
    """The same from the session's own views, written as the page writes it."""
    k, images = session.kernel, session.images
    cpu = session.current.cpu_regs
    registers = {n: f"{v:#06x}" if n in SEGMENTS else f"{v:#010x}" for n, v in cpu.items()}
    registers |= {
        n: f"{int(getattr(k.machine.cpu, n)):#010x}" for n in ("cr0", "cr2", "cr3", "cr4")
    }
    entries: dict[str, dict[str, str]] = {}
    counts: dict[str, int] = {}
    places = {}
    for view in session.tasks:
        living = view.task.mm is not None and not view.task.exit_state
        place = images.place_at(view.task, view.regs["eip"]) if living else None
        places[str(view.pid)] = place.name if place is not None else ""
        for walk in view.page_table():
            assert view.task.mm is not None
            assert walk.pte is not None
            mine = entries.setdefault(str(view.task.mm.ident), {})
            mine[f"{walk.linear:#010x}"] = f"{walk.pte:#010x}"
            frame = walk.pte >> PAGE_SHIFT
            counts[f"{frame:05x}"] = k.memory.pages.page_count(frame)
    return {"registers": registers, "entries": entries, "counts": counts, "places": places}


def chosen(name: str, count: int) -> list[int]:
    """Events by chance, the same ones each time, back and forth."""
    return [random.Random(f"{name}{n}").randrange(count) for n in range(EVENTS)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_page_says_what_a_fresh_session_says(name: str, opened: Any, tmp_path: Path) -> None:
    run = shown(name)
    count = len(run.events())
    page = tmp_path / "run.html"
    run.save(page)
    numbers = chosen(name, count)
    said = dict(zip(numbers, opened(page).page.evaluate(READ, numbers), strict=True))
    session = Session(USERLAND / f"{name}.S", config=Config(timing="i486"))
    history = History(session)
    assert session.kernel.machine.cpu.cpl == 0
    for number in sorted(said):
        history.goto(event=number)
        page_says, true = said[number], truth(session)
        if f"The CPU runs pid {session.current.pid} " in page_says["about"]:
            assert page_says["registers"] == true["registers"], number
        present = {
            space: {at: pte for at, pte in entries.items() if int(pte, 16) & PTE_P}
            for space, entries in page_says["entries"].items()
        }
        assert {s: e for s, e in present.items() if e} == true["entries"], number
        assert {f: page_says["counts"].get(f) for f in true["counts"]} == true["counts"], number
        assert page_says["places"] == true["places"], number
        every = (session.stdout + session.stderr).decode("latin-1")
        assert sorted(page_says["whole"]) == sorted(every), number
        if not session.stderr:
            assert page_says["whole"] == every, number


@pytest.mark.parametrize("name", ["fork_sample", "pipe_talk"])
def test_the_states_are_those_of_a_second_reading(name: str) -> None:
    """Whatever a state has: deltas lead to what the reader says of a session that went there by itself."""
    from toykernel.observe.trap_frames import FrameLog
    from toykernel.show.state import StateReader

    run = shown(name)
    events = [data for data in read(run.lines) if "number" in data]
    session = Session(USERLAND / f"{name}.S", config=Config(timing="i486"))
    frames = FrameLog(session.kernel)
    history = History(session)
    for event in events:
        history.goto(event=event["number"])
        fresh = StateReader(session.kernel, session.images, frames).read()
        assert json.loads(json.dumps(fresh)) == event["state"], event["number"]


def test_instructions_inside_a_trap_lead_to_user_mode() -> None:
    run = shown("fork_sample")
    events = [data for data in read(run.lines) if "number" in data]
    traps = [event for event in events if event["kind"] == "trap"]
    session = Session(USERLAND / "fork_sample.S", config=Config(timing="i486"))
    assert all(event["steps"] for event in traps)
    for trap in traps:
        state = trap["state"]
        for patch in trap["steps"]:
            state = patched(state, patch)
            assert state["instructions"] or state["cycles"]
        assert state["ring"] == 3 or trap is traps[-1]
    history = History(session)
    fault = next(event for event in traps if event["vector"] == 14)
    history.goto(event=fault["number"])
    state = fault["state"]
    for patch in fault["steps"]:
        session.step()
        state = patched(state, patch)
        assert state["cpu"]["eip"] == session.kernel.machine.cpu.eip
        assert state["cpu"]["esp"] == session.kernel.machine.cpu.esp
        assert state["cycles"] == session.kernel.machine.clock.cycles


def instructions(run: Shown) -> dict[int, Any]:
    """By event the patches of its instructions, of those that have some."""
    return {data["number"]: data["steps"] for data in read(run.lines) if "steps" in data}


@pytest.mark.parametrize("name", ["fork_tree", "cow_by_kernel", "pipe_talk", "timers"])
def test_instructions_of_chosen_traps_are_those_of_all(name: str) -> None:
    """Also where one trap is inside another, chosen or not, and far behind the default's bound."""
    every = instructions(shown(name, max_steps=1_000_000))
    traps = sorted(every)
    assert traps[-1] not in instructions(shown(name, max_steps=50))
    for first in range(3):
        chosen = traps[first::3]
        some = shown(name, max_steps=1_000_000, traps=chosen)
        assert instructions(some) == {number: every[number] for number in chosen}
    last = shown(name, max_steps=len(every[traps[-2]]) + 1, traps=traps[-2:-1])
    assert instructions(last) == {traps[-2]: every[traps[-2]]}
    assert [e["number"] for e in last.events() if "cut" in e] == []


def test_a_chosen_trap_is_cut_at_the_bound_and_says_so() -> None:
    every = instructions(shown("fork_tree"))
    number = sorted(every)[3]
    run = shown("fork_tree", max_steps=4, traps=[number])
    assert instructions(run) == {number: every[number][:4]}
    assert [e["number"] for e in run.events() if "cut" in e] == [number]


def test_recording_changes_nothing() -> None:
    from toykernel.statehash import state_hash

    for name in ("fork_sample", "pipe_talk", "timers"):
        plain = Session(USERLAND / f"{name}.S", config=Config(timing="i486"))
        plain.run(LIMIT)
        seen = Session(USERLAND / f"{name}.S", config=Config(timing="i486"))
        run = Shown(seen, traps=range(5, 500, 5))
        seen.run(LIMIT)
        run.finish()
        assert state_hash(seen.kernel) == state_hash(plain.kernel)
        assert seen.kernel.machine.position == plain.kernel.machine.position
        assert seen.stdout == plain.stdout


def test_a_patch_makes_the_new_object_of_the_old() -> None:
    chance = random.Random(5)

    def any_object(depth: int) -> dict[str, Any]:
        return {
            name: any_object(depth - 1) if depth and chance.random() < 0.5 else chance.randrange(3)
            for name in "abcdef"
            if chance.random() < 0.6
        }

    for _ in range(500):
        old, new = any_object(3), any_object(3)
        assert patched(old, merge_patch(old, new)) == new


def test_what_is_left_out_is_counted() -> None:
    run, whole = shown("fork_tree", max_events=20, max_steps=10), shown("fork_tree")
    last = json.loads(run.lines[-1])
    assert len(run.events()) + last["left_out"] == len(whole.events())
    assert last["left_out"] > 0
    assert last["steps_left_out"] > 0
    assert json.loads(whole.lines[-1])["left_out"] == 0
    few = shown("fork_tree", max_bytes=100_000)
    assert sum(map(len, few.lines)) < 130_000
    assert len(few.events()) + json.loads(few.lines[-1])["left_out"] == len(whole.events())


@pytest.mark.parametrize(
    "text", ['{"format":"other"}', '{"format":"toykernel-events","version":2}']
)
def test_another_format_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="toykernel-events"):
        list(read([text]))
