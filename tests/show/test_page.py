"""The page in a real browser: keys, links, play, sizes, speed, dark, narrow, print, for everyone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from toykernel import Session
from toykernel.show.shown import Shown
from toykernel.state import Config

USERLAND = Path(__file__).parents[2] / "userland"
SAMPLE = USERLAND / "fork_sample.S"
Open = Callable[..., Any]
#: 830 times fork, a write on each side, exit and wait: more than 10,000 events.
MANY = """
.globl _start
.data
counter: .long 0
.text
_start: movl $830, %edi
again:  movl $2, %eax
        int $0x80
        testl %eax, %eax
        jz child
        movl %eax, %ebx
        xorl %ecx, %ecx
        xorl %edx, %edx
        movl $7, %eax
        int $0x80
        incl counter
        decl %edi
        jnz again
        xorl %ebx, %ebx
        movl $1, %eax
        int $0x80
child:  incl counter
        xorl %ebx, %ebx
        movl $1, %eax
        int $0x80
"""


@pytest.fixture(scope="module")
def run() -> Shown:
    """The classic sample, from start to end."""
    session = Session(SAMPLE, config=Config(timing="i486"))
    shown = Shown(session)
    session.run()
    shown.finish()
    return shown


@pytest.fixture(scope="module")
def sample(run: Shown, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    path = tmp_path_factory.mktemp("show") / "sample.html"
    run.save(path)
    return path


@pytest.fixture(scope="module")
def cow(run: Shown) -> int:
    """The number of the event in which the counter's page is copied; the trap is the one before."""
    return next(n for n, event in enumerate(run.events()) if event.get("what") == "cow_copied")


def key(page: Any, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


def test_the_sample_is_small_complete_and_fits_its_window(sample: Path, opened: Open) -> None:
    assert sample.stat().st_size <= 400_000
    one = opened(sample)
    assert one.requests == [sample.as_uri()]
    height, window = one.page.evaluate("[document.documentElement.scrollHeight, innerHeight]")
    assert height <= window
    width, room = one.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= room
    text = sample.read_text()
    assert not re.search(r'(?:src|href)="(?!#)', text)
    assert "@import" not in text


def test_keys_and_buttons_move_in_time(sample: Path, opened: Open) -> None:
    one = opened(sample)
    page = one.page
    events = page.evaluate(
        "toykernel.runs[0].events.map(e => [e.kind, e.pid === undefined ? -1 : e.pid])"
    )
    last = len(events) - 1
    key(page, "End")
    assert one.at == last
    key(page, "ArrowRight", "ArrowLeft")
    assert one.at == last - 1
    key(page, "Home", "ArrowRight", "ArrowRight")
    assert one.at == 2
    key(page, "PageDown")
    assert one.at == 12
    start = next(n for n in range(12, last) if events[n][0] == "trap")
    page.evaluate(f"toykernel.go({start})")
    key(page, "k")
    assert one.at == next(n for n in range(start + 1, last) if events[n][0] == "trap")
    key(page, "K")
    assert one.at == start
    key(page, "p")
    after = next(n for n in range(start + 1, last) if events[n][1] == events[start][1])
    assert one.at == after
    page.get_by_role("button", name="previous event of this process (P)").click()
    assert one.at == start
    page.get_by_role("button", name="next event (right arrow)").click()
    assert one.at == start + 1
    page.get_by_label("number of the event").fill("20")
    page.keyboard.press("Enter")
    assert one.at == 20
    page.locator(".time").focus()
    key(page, "ArrowUp", "ArrowUp", "ArrowDown")
    assert one.at == 21
    key(page, "?")
    assert page.get_by_role("dialog").is_visible()
    key(page, "Escape")
    key(page, "3")
    assert page.locator('[data-task="3"] button').get_attribute("aria-pressed") == "true"
    page.wait_for_url("**&pid=3")
    key(page, "0")
    page.wait_for_url(lambda url: "&pid" not in url)


def test_everything_can_be_reached_by_the_tab_key(sample: Path, cow: int, opened: Open) -> None:
    page = opened(sample, f"#event={cow}").page
    wanted = page.evaluate("""[...document.querySelectorAll("button, select, input, [tabindex='0']")]
      .filter(one => one.offsetParent !== null && !one.closest("dialog")).length""")
    seen = set()
    for _ in range(wanted + 3):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate("""(() => { const all = [...document.querySelectorAll("*")];
          return document.activeElement === document.body ? -1 : all.indexOf(document.activeElement); })()""")
        )
    assert len(seen - {-1}) >= wanted


def test_the_address_leads_to_a_moment_and_tells_it(sample: Path, cow: int, opened: Open) -> None:
    one = opened(sample, f"#event={cow}")
    assert one.at == cow
    page = one.page
    assert "cow" in page.locator(".words").inner_text().lower()
    page.evaluate("location.hash = '#event=3'")
    page.wait_for_function("toykernel.at === 3")
    key(page, "ArrowRight")
    page.wait_for_url("**#event=4")
    two = opened(sample, f"#event={cow - 1}&instruction=7&pid=3")
    assert two.page.evaluate("[toykernel.at, toykernel.step]") == [cow - 1, 7]
    assert opened(sample, "#event=99999").at == two.page.evaluate("toykernel.count - 1")
    assert opened(sample, "#event=nonsense").at == 0


def test_the_bar_goes_where_it_is_clicked_and_dragged(sample: Path, opened: Open) -> None:
    one = opened(sample)
    page = one.page
    box = page.locator("#bar").bounding_box()
    count = page.evaluate("toykernel.count")

    def x(number: int) -> float:
        width = box["width"] - 78 - 8
        return float(box["x"] + 78 + (number + 0.5) / count * width)

    page.mouse.click(x(7), box["y"] + 30)
    assert one.at == 7
    page.mouse.move(x(9), box["y"] + 10)
    page.mouse.down()
    page.mouse.move(x(20), box["y"] + 10, steps=4)
    page.mouse.up()
    assert one.at == 20
    page.mouse.move(x(3), box["y"] + 10)
    assert one.at == 20
    before = page.evaluate("toykernel.bars[0].shown")
    key(page, "+")
    assert page.evaluate("toykernel.bars[0].shown") < before
    key(page, "-")
    assert page.evaluate("toykernel.bars[0].shown") == before


def test_play_goes_on_by_itself_and_stops(sample: Path, opened: Open) -> None:
    one = opened(sample)
    key(one.page, " ")
    one.page.wait_for_function("toykernel.at >= 2", timeout=10_000)
    key(one.page, " ")
    at = one.at
    one.page.wait_for_timeout(900)
    assert one.at == at
    one.page.evaluate("toykernel.go(toykernel.count - 2)")
    one.page.get_by_role("button", name="play", exact=True).click()
    one.page.wait_for_function("toykernel.at === toykernel.count - 1 && !toykernel.playing")


def test_back_and_forth_gives_the_same(sample: Path, opened: Open) -> None:
    one = opened(sample)
    page = one.page
    read = """numbers => numbers.map(number => {
      toykernel.go(number);
      return [...document.querySelectorAll(".grid .body, .words")].map(one => one.textContent).join("|");
    })"""
    numbers = list(range(page.evaluate("toykernel.count")))
    forward = page.evaluate(read, numbers)
    back = page.evaluate(read, numbers[::-1])
    assert forward == back[::-1]


def test_instructions_inside_a_trap_show_the_frame_growing(
    sample: Path, cow: int, opened: Open
) -> None:
    one = opened(sample, f"#event={cow - 1}")
    page = one.page
    words = "document.querySelectorAll('.stack [data-word]').length"
    assert page.evaluate(words) == 8  # six by the CPU, two above them that copy_thread left
    grown = []
    for _ in range(12):
        key(page, "i")
        grown.append(page.evaluate(words))
    assert grown == sorted(grown)
    assert grown[-1] > 12
    assert "instruction 12 of" in page.locator(".words").inner_text().lower()
    for _ in range(12):
        key(page, "I")
    assert page.evaluate(words) == 8
    assert page.evaluate("toykernel.step") == 0


def test_what_the_event_changed_says_what_it_was(sample: Path, cow: int, opened: Open) -> None:
    page = opened(sample, f"#event={cow}").page
    entry = page.locator('.spaces [data-entry="0804b000"]').first
    assert "changed" in (entry.get_attribute("class") or "")
    text = entry.inner_text()
    assert "was 0x000" in text
    assert "writable" in text
    boxes = page.locator(".frames svg g.new").all_text_contents()
    assert any("was 2" in text for text in boxes)
    assert any("new" in text for text in boxes)


@pytest.mark.parametrize(
    ("scheme", "width", "height", "fragment"),
    [
        ("light", 1280, 800, "#event={after}&pid=3"),
        ("dark", 1280, 800, "#event={cow}"),
        ("light", 390, 844, "#event={trap}&instruction=20"),
    ],
)
def test_nothing_is_unnamed_or_hard_to_read(
    scheme: str, width: int, height: int, fragment: str, sample: Path, cow: int, opened: Open
) -> None:
    """axe-core finds no violation, in light and dark, on a desk and on a phone."""
    axe = pytest.importorskip(
        "axe_playwright_python", reason="NO AXE-CORE: pip install axe-playwright-python"
    )
    script = Path(axe.__file__).with_name("axe.min.js").read_text()
    viewport = {"width": width, "height": height}
    fragment = fragment.format(trap=cow - 1, cow=cow, after=cow + 8)
    page = opened(sample, fragment, viewport=viewport, color_scheme=scheme).page
    page.evaluate(script)
    found = page.evaluate("axe.run()")
    said = [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]
    assert said == []
    assert len(found["passes"]) > 10


def test_a_phone_has_one_column(sample: Path, opened: Open) -> None:
    page = opened(sample, viewport={"width": 390, "height": 844}).page
    boxes = page.evaluate("""[...document.querySelectorAll(".panel")].map(one => {
      const box = one.getBoundingClientRect(); return [box.left, box.width, box.top, box.bottom]; })""")
    assert len({round(left) for left, *_ in boxes}) == 1
    ordered = sorted(boxes, key=lambda box: box[2])
    assert all(one[3] <= other[2] for one, other in pairwise(ordered))
    width, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= room


def test_it_can_be_printed(sample: Path, cow: int, opened: Open) -> None:
    page = opened(sample, f"#event={cow}").page
    page.emulate_media(media="print")
    cut = page.evaluate("""[...document.querySelectorAll(".panel:not(.source) .body")]
      .filter(one => one.scrollHeight > one.clientHeight + 2).length""")
    assert cut == 0
    assert not page.locator(".tools").is_visible()
    assert page.locator(".words").is_visible()


def test_ten_thousand_events_stay_small_and_fluid(tmp_path: Path, opened: Open) -> None:
    source, page_file = tmp_path / "many.S", tmp_path / "many.html"
    source.write_text(MANY)
    session = Session(source, config=Config(timing="i486"))
    run = Shown(session)
    session.run()
    run.finish()
    assert len(run.events()) == 10_000
    assert json.loads(run.lines[-1])["left_out"] > 0
    run.save(page_file)
    assert page_file.stat().st_size <= 10_000_000
    page = opened(page_file).page
    assert "left out" in page.locator(".left-out").inner_text()
    cpu = page.context.new_cdp_session(page)
    cpu.send("Performance.enable", {"timeDomain": "threadTicks"})  # whatever else the machine does

    def spent(name: str) -> float:
        found = cpu.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in found if one["name"] == name)) * 1000

    def script(code: str) -> float:
        before = spent("ScriptDuration")
        page.evaluate(code)
        return spent("ScriptDuration") - before

    before = spent("TaskDuration")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert spent("TaskDuration") - before <= 1000
    page.evaluate("for (let at = 0; at < 100; at++) toykernel.go(at)")  # the compiler has seen it
    moves = [script(f"toykernel.go({number})") for number in range(5000, 5060)]
    assert sorted(moves)[-2] <= 16, moves  # in one of them rubbish may be collected
    far = "toykernel.runs[0].kept.clear(); toykernel.go({})"
    jumps = [script(far.format(number)) for number in (9999, 17, 5000, 9000, 300, 7777)]
    assert max(jumps) <= 100, jumps


def test_two_runs_stand_side_by_side(tmp_path: Path, opened: Open) -> None:
    runs = []
    for eager in (False, True):
        session = Session(SAMPLE, config=Config(timing="i486", eager_fork=eager))
        run = Shown(session, options={"fork": "eager" if eager else "cow"})
        session.run()
        run.finish()
        runs.append(run)
    path = tmp_path / "two.html"
    path.write_text(runs[0].html(against=runs[1]))
    one = opened(path)
    pairs = one.page.evaluate("toykernel.pairs")
    assert [number for number, _ in pairs if number is not None] == list(
        range(len(runs[0].events()) + 1)
    )
    assert [number for _, number in pairs if number is not None] == list(
        range(len(runs[1].events()) + 1)
    )
    kinds = [[event["kind"] for event in run.events()] + ["end"] for run in runs]
    both = [(kinds[0][a], kinds[1][b]) for a, b in pairs if a is not None and b is not None]
    assert all(a == b for a, b in both)
    missing = [kinds[0][a] for a, b in pairs if b is None]
    assert missing.count("cow") == 2
    fork = next(
        n for n, (a, _) in enumerate(pairs) if a is not None and kinds[0][a] == "fork" and n > 5
    )
    one.page.evaluate("number => toykernel.go(number)", fork)
    views = one.page.locator(".view")
    assert views.count() == 2
    spent = [views.nth(side).locator(".cycles p").first.inner_text() for side in (0, 1)]
    assert spent[0] != spent[1]
    assert "copy_page" not in views.nth(0).locator(".cycles").inner_text()
    assert "copy_page" in views.nth(1).locator(".cycles").inner_text()
    key(one.page, "End")
    assert one.at == len(pairs) - 1


def test_in_a_notebook_it_works_in_its_frame(tmp_path: Path, browser: Any) -> None:
    session = Session(SAMPLE, config=Config(timing="i486"))
    cell = tmp_path / "cell.html"
    cell.write_text(f"<!DOCTYPE html><title>cell</title>{session.show()._repr_html_()}")
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(cell.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for(timeout=20_000)
    frame.get_by_role("button", name="next event (right arrow)").click()
    frame.get_by_role("button", name="next event (right arrow)").click()
    page.wait_for_timeout(200)  # the address is told a moment later
    assert frame.get_by_label("number of the event").input_value() == "2"
    assert said == []
    context.close()
