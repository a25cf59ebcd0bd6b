"""What somebody reads on the page: whole sentences, every lane, one clock, the line of C that calls."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toykernel import Session
from toykernel.show.shown import Shown
from toykernel.state import Config

USERLAND = Path(__file__).parents[2] / "userland"
Open = Callable[..., Any]
#: More processes than a bar has room for, each a zombie until the end.
MANY = """
.globl _start
_start: movl $45, %edi
1:      movl $2, %eax
        int $0x80
        testl %eax, %eax
        jz 2f
        decl %edi
        jnz 1b
        movl $158, %eax
        int $0x80
2:      xorl %ebx, %ebx
        movl $1, %eax
        int $0x80
"""
MAIN = """void say(const char *text);
void quit(int status);
void _start(void)
{
    say("a");
    say("b");
    quit(0);
}
"""
#: Without lines, as a C library.
LIBRARY = """static int call(int number, int a, int b, int c)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}
void say(const char *text) { if (call(4, 1, (int)text, 1) != 1) call(1, 1, 0, 0); }
void quit(int status) { call(1, status, 0, 0); }
"""


def shown(program: Path) -> Shown:
    session = Session(program, config=Config(timing="i486"))
    run = Shown(session)
    session.run()
    run.finish()
    return run


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reading") / "sample.html"
    shown(USERLAND / "fork_sample.S").save(path)
    return path


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_no_sentence_is_cut(width: int, height: int, sample: Path, opened: Open) -> None:
    page = opened(sample, viewport={"width": width, "height": height}).page
    cut = page.evaluate("""() => { const words = document.querySelector(".words"), found = [];
      for (let at = 0; at < toykernel.count; at++) {
        toykernel.go(at);
        if (words.scrollHeight > words.clientHeight + 1) found.push(at);
      }
      return found; }""")
    assert cut == []


def test_one_clock_is_shown(sample: Path, opened: Open) -> None:
    """The time of what is shown, not that at which the kernel's function began."""
    page = opened(sample).page
    told = page.evaluate("""() => Array.from({ length: toykernel.count }, (_, at) => {
      toykernel.go(at);
      return [toykernel.where.textContent, document.querySelector(".cycles p").textContent]; })""")
    for at, cycles in told:
        assert at.split("cycle ")[1] == cycles.split("the clock shows ")[1].rstrip(".")


def test_every_process_has_a_lane_which_comes_into_sight(tmp_path: Path, opened: Open) -> None:
    source, path = tmp_path / "many.S", tmp_path / "many.html"
    source.write_text(MANY)
    run = shown(source)
    run.save(path)
    last = max(n for n, event in enumerate(run.events()) if event.get("pid") == 47)
    page = opened(path, f"#event={last}").page
    lanes, pids = page.evaluate("[toykernel.bars[0].drawn, toykernel.bars[0].pids]")
    assert lanes == pids == list(range(48))

    def seen(pid: int) -> bool:
        row = f"20 + 17 * toykernel.bars[0].drawn.indexOf({pid}) - box.scrollTop"
        return bool(
            page.evaluate(f"""() => {{ const box = document.querySelector(".time"), top = {row};
              return top >= 20 && top + 17 <= box.clientHeight; }}""")
        )

    assert seen(47)
    page.keyboard.press("Home")
    assert seen(0)
    box = page.locator(".marks").bounding_box()
    assert box["y"] >= page.locator(".time").bounding_box()["y"]


def test_two_bars_are_seen_whole_and_panels_have_names_of_their_own(
    tmp_path: Path, opened: Open
) -> None:
    run, path = shown(USERLAND / "fork_sample.S"), tmp_path / "two.html"
    path.write_text(run.html(against=run))
    page = opened(path).page
    inside, box = page.evaluate(
        "(box => [box.scrollHeight, box.clientHeight])(document.querySelector('.time'))"
    )
    assert inside <= box
    assert page.get_by_role("region", name="Registers", exact=True).count() == 1
    assert page.get_by_role("region", name="Registers of the second run", exact=True).count() == 1


def test_code_without_lines_is_at_the_call_that_led_there(tmp_path: Path, opened: Open) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("NO COMPILER: callers of a library are not tested")
    flags = ["-m32", "-O1", "-fno-pic", "-ffreestanding", "-fasynchronous-unwind-tables"]
    for name, text, more in (("main", MAIN, ["-g"]), ("library", LIBRARY, [])):
        (tmp_path / f"{name}.c").write_text(text)
        made = [compiler, *flags, *more, "-c", f"{name}.c", "-o", f"{name}.o"]
        subprocess.run(made, cwd=tmp_path, check=True)
    link = [compiler, "-m32", "-static", "-nostdlib", "-no-pie", "main.o", "library.o", "-o", "two"]
    subprocess.run(link, cwd=tmp_path, check=True)
    run = shown(tmp_path / "two")
    path = tmp_path / "two.html"
    run.save(path)
    calls = [n for n, one in enumerate(run.events()) if one["kind"] == "trap" and one["pid"] == 2]
    page = opened(path).page
    places = []
    for number in calls:
        page.evaluate(f"toykernel.go({number})")
        task = page.locator('[data-task="2"]')
        places.append((task.get_attribute("data-place"), "in say" in task.inner_text()))
    assert places[-3:-1] == [("main.c:5", True), ("main.c:6", True)]
    assert page.locator(".source h2").inner_text() == "Source: main.c"
    assert page.locator(".lines li.at").count() == 1
