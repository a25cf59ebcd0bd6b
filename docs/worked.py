"""Writes docs/worked/: four worked examples for teaching, each a program, the moments that matter as pictures
with the event in words, and questions. `--pages` also writes the page of each run (docs/worked/NAME.html).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toykernel import Session
from toykernel.show.shown import Shown
from toykernel.state import Config

ROOT = Path(__file__).parents[1]
WORKED = ROOT / "docs" / "worked"
Event = dict[str, Any]
LIMIT = 30_000_000  # cycles


@dataclass(frozen=True)
class Moment:
    """One event of a program: the `nth` that `is_it` holds for, what to see in it, what to ask."""

    program: str
    title: str
    is_it: Callable[[Event], bool]
    see: str
    ask: str
    answer: str
    nth: int = 0


@dataclass(frozen=True)
class Example:
    """A document: its file's name, title and introduction, and its moments in order."""

    name: str
    title: str
    intro: str
    moments: tuple[Moment, ...]


def kind(name: str, **details: Any) -> Callable[[Event], bool]:
    """An event of a kind with these details; `pid` counts as one."""
    return lambda e: e["kind"] == name and all(e.get(n) == v for n, v in details.items())


EXAMPLES = (
    Example(
        "fork",
        "fork: one process calls, two return",
        "The classic sample. Follow the call from `int $0x80` to the child's first instruction.",
        (
            Moment(
                "fork_sample",
                "Into the kernel",
                kind("trap", call="fork", pid=2),
                "The CPU has taken the stack from the TSS and pushed five words: where the "
                "program goes on "
                "afterwards, its flags and its stack. Nothing of fork has happened yet; every "
                "page has one user.",
                "Who pushes the other words of `pt_regs`?",
                "`entry.S`, by SAVE_ALL. Press `i` on the page: the frame grows word by word.",
            ),
            Moment(
                "fork_sample",
                "The child is there",
                kind("fork", pid=2),
                "pid 3 has a page directory and tables of its own, and every entry leads to the "
                "parent's frames. "
                "Each frame has two references, and the entries of both are read-only.",
                "Which entries of the *parent* did fork change, and why?",
                "Those that were writable: a write by the parent must fault as well, or the child"
                " would see it.",
            ),
            Moment(
                "fork_sample",
                "The child starts",
                kind("switch", to=3),
                "The CPU goes to pid 3: another page directory in CR3, another kernel stack, and "
                "the child goes on "
                "at `ret_from_fork` with 0 in `eax` of the frame that copy_thread built.",
                "Where does the 0 that fork returns to the child come from?",
                "From `ax` in the child's pt_regs: copy_thread has stored it there.",
            ),
        ),
    ),
    Example(
        "cow",
        "Copy on write: the first writer copies, the last one reuses",
        "Both processes write one page after fork. The first write costs a copy, the second one "
        "almost nothing.",
        (
            Moment(
                "cow_copy_reuse",
                "The write faults",
                kind("trap", vector=14, pid=3),
                "The entry is present and read-only, the area may be written: error code 7 says "
                "that a write from "
                "ring 3 met an entry that forbids it. CR2 has the address.",
                "What would error code 6 have meant?",
                "The same write, and no page there: bit 0 is clear.",
            ),
            Moment(
                "cow_copy_reuse",
                "It is copied",
                kind("cow", what="cow_copied"),
                "The frame had two references: the child gets a copy in another frame, with the "
                "write bit. One "
                "reference is left to the old one, and the parent's entry has not changed.",
                "The parent is the only user of the old frame now. Why is its entry still read-"
                "only?",
                "Nobody looks for it: the next write will fault once more, and find out.",
            ),
            Moment(
                "cow_copy_reuse",
                "It is reused",
                kind("cow", what="cow_reused"),
                "The parent writes. Its frame has one reference: nothing is copied, the entry "
                "just gets its write "
                "bit back.",
                "Compare the cycles by rule of the two events. What makes the difference?",
                "`kernel copy_page`, and the cache lines of the copy.",
            ),
        ),
    ),
    Example(
        "vfork",
        "vfork: the child in the parent's own memory",
        "vfork copies no tables at all. The parent sleeps until the child has exec'd or exited.",
        (
            Moment(
                "vfork_order",
                "One address space, two tasks",
                kind("fork", pid=2),
                "There is no second address space: both pids stand at the same entries, and no "
                "frame has gained a "
                "reference.",
                "Which bit of the clone flags does that?",
                "CLONE_VM.",
            ),
            Moment(
                "vfork_order",
                "The parent waits",
                kind("switch", pid=2, to=3),
                "The parent sleeps, uninterruptibly, until the child lets go of the memory.",
                "Why must it?",
                "The child runs on the parent's stack.",
            ),
            Moment(
                "vfork_order",
                "The child lets go",
                kind("exit", pid=3),
                "exit gives the address space back to the parent and wakes it. What the child "
                "stored is there.",
                "What if the child returned from the function that called vfork?",
                "The parent would find its stack frame overwritten.",
            ),
        ),
    ),
    Example(
        "zombie-and-orphan",
        "Zombie and orphan: who ends first",
        "A child that ends before its parent looks is a zombie; one whose parent ends first gets "
        "a new parent.",
        (
            Moment(
                "vfork_order",
                "A zombie",
                kind("exit", pid=3),
                "pid 3 has ended: no memory, no files, no user half. Its number and its exit "
                "status, 5, are "
                "kept for the parent, which has not asked yet.",
                "Which frames does a zombie still hold?",
                "Its kernel stack, on which the task struct's thread_info is, and its records in "
                "the slabs.",
            ),
            Moment(
                "vfork_order",
                "It is waited for",
                kind("call", call="waitpid", pid=2),
                "waitpid has returned the pid, and the task is gone from the tree: its number is "
                "free again.",
                "What happens to zombies whose parent never waits?",
                "They stay until the parent ends; then init waits for them.",
            ),
            Moment(
                "orphan",
                "An orphan",
                kind("exit", pid=2),
                "The parent ends first. Its child has a new parent: init, which waits for "
                "everybody's orphans.",
                "How can the child notice?",
                "getppid answers 1 from now on.",
            ),
        ),
    ),
)


def recorded(program: str) -> Shown:
    """A sample's run."""
    session = Session(ROOT / "userland" / f"{program}.S", config=Config(timing="i486"))
    shown = Shown(session, options={"fork": "cow", "kernel": "2.6.39", "timing": "i486"})
    session.run(LIMIT)
    shown.finish()
    return shown


def written(folder: Path, *, pages: bool = False) -> list[Path]:
    """Write every document with its pictures to a folder; the files."""
    runs: dict[str, Shown] = {}
    files = []
    for example in EXAMPLES:
        text = [f"# {example.title}", "", example.intro, ""]
        for number, moment in enumerate(example.moments, 1):
            if moment.program not in runs:
                runs[moment.program] = recorded(moment.program)
            run = runs[moment.program]
            events = run.events()
            event = [one for one in events if moment.is_it(one)][moment.nth]
            picture = folder / f"{example.name}-{number}.svg"
            picture.write_text(run.svg(event["number"]), encoding="utf-8")
            files.append(picture)
            text += _moment(moment, event, picture.name)
        document = folder / f"{example.name}.md"
        document.write_text("\n".join(text), encoding="utf-8")
        files.append(document)
    for program, run in runs.items() if pages else ():
        files.append(folder / f"{program}.html")
        run.save(files[-1])
    return files


def _moment(moment: Moment, event: Event, picture: str) -> Sequence[str]:
    where = f"toykernel show userland/{moment.program}.S -o {moment.program}.html"
    return (
        f"## {moment.title}",
        "",
        f"![Event {event['number']} of {moment.program}.S: {event['kind']}]({picture})",
        "",
        moment.see,
        "",
        f"> {event['words']}",
        "",
        f"`{where}`, then `{moment.program}.html#event={event['number']}`.",
        "",
        f"**Question.** {moment.ask}",
        "",
        f"<details><summary>Answer</summary>{_html(moment.answer)}</details>",
        "",
    )


def _html(text: str) -> str:
    parts = text.split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))


def main() -> None:
    """Write them where they belong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", action="store_true", help="the pages of the runs as well")
    WORKED.mkdir(exist_ok=True)
    for path in written(WORKED, pages=parser.parse_args().pages):
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
