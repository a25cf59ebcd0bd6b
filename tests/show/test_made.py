"""What is made of a run besides the page: pictures, worked examples, notebooks, the command's files."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from toykernel import Session
from toykernel.cli.group import call
from toykernel.history.history import History
from toykernel.show.format import Data, read
from toykernel.show.shown import Shown
from toykernel.state import Config

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "userland" / "fork_sample.S"
SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    """Every text of a picture, in order."""
    return [one.text or "" for one in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def listed(page: Path) -> list[Data]:
    """The events of a page, as they stand in it."""
    found = re.search(r'id="run">([^<]+)<', page.read_text())
    assert found is not None
    lines = gzip.decompress(base64.b64decode(found[1])).decode().splitlines()
    return [data for data in map(json.loads, lines) if "number" in data]


def test_a_picture_has_every_entry_frame_and_process_of_its_moment() -> None:
    session = Session(SAMPLE, config=Config(timing="i486"))
    shown = session.show()
    history = History(session)
    last = len(shown.events()) - 1
    for number in (10, 15, 23, last):
        history.goto(event=number)
        said = texts(shown.svg(number))
        k = session.kernel
        counts = {}
        for view in session.tasks:
            assert any(f"pid {view.pid} {view.comm}:" in text for text in said)
            for walk in view.page_table():
                assert walk.pte is not None
                access = "writable" if walk.pte & 2 else "read-only"
                assert any(f"{walk.linear:#010x}" in x and access in x for x in said)
                counts[walk.pte >> 12] = k.memory.pages.page_count(walk.pte >> 12)
        for frame, count in counts.items():
            wanted = f"frame {frame:#x}: {count} reference"
            assert [x for x in said if wanted in x], wanted
    with pytest.raises(LookupError, match="no event 999; the last one is"):
        shown.svg(999)


def test_the_page_of_a_session_begins_where_it_stands() -> None:
    session = Session(SAMPLE, config=Config(timing="i486"))
    session.run(60_000)
    here = session.kernel.machine.position
    shown = session.show(max_steps=0)
    assert session.kernel.machine.position == here
    events = shown.events()
    assert events[0]["cycles"] >= here.cycles
    assert events[-1]["kind"] == "call"
    assert session.run().kind == "finished"
    assert session.stdout.decode() == "".join(
        text for event in events for _, _, text in event.get("output", [])
    )
    html = shown._repr_html_()
    assert html.startswith('<iframe title="fork_sample.S: a run" srcdoc="&lt;!DOCTYPE html&gt;')


def test_a_notebook_shows_page_and_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip(
        "nbformat", reason="NO JUPYTER: notebooks are not tested; pip install '.[test]'"
    )
    nbclient = pytest.importorskip(
        "nbclient", reason="NO JUPYTER: notebooks are not tested; pip install '.[test]'"
    )
    pytest.importorskip("ipykernel", reason="NO JUPYTER: pip install '.[test]'")
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
                "from toykernel import Session\n"
                f"session = Session({str(SAMPLE)!r})\n"
                "session.show()"
            ),
            nbformat.v4.new_code_cell("session.run(400)\nsession"),
        ]
    )
    kernel = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    folder = tmp_path / "kernels" / "here"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(
        json.dumps({**kernel, "display_name": "here", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    nbclient.NotebookClient(book, timeout=120, kernel_name="here").execute()
    page, moment = (cell["outputs"][-1]["data"]["text/html"] for cell in book.cells)
    assert "srcdoc=" in page
    assert moment.count("<svg") == 1
    assert "pid 2" in moment


def test_the_worked_examples_are_made_by_one_command(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("worked", ROOT / "docs" / "worked.py")
    assert spec is not None
    assert spec.loader is not None
    worked = importlib.util.module_from_spec(spec)
    sys.modules["worked"] = worked
    spec.loader.exec_module(worked)
    made = worked.written(tmp_path)
    kept = {p.name for p in (ROOT / "docs" / "worked").iterdir() if p.suffix in (".md", ".svg")}
    assert {path.name for path in made} == kept
    assert len(worked.EXAMPLES) == 4
    for path in made:
        if path.suffix == ".svg":
            assert len(texts(path.read_text())) > 10
        else:
            numbers = re.findall(r"#event=(\d+)", path.read_text())
            assert numbers == re.findall(r"!\[Event (\d+) of", path.read_text())
            assert len(numbers) == 3
    zombie = "\n".join(texts((tmp_path / "zombie-and-orphan-1.svg").read_text()))
    assert "zombie, exit status 5" in zombie


# -- the command -----------------------------------------------------------------------------------


def test_the_file_may_be_named_before_or_behind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, other = tmp_path / "one.html", tmp_path / "other.html"
    assert call(["show", "-o", str(one), str(SAMPLE)]) == 0
    assert call(["show", str(SAMPLE), "an argument", "-o", str(other)]) == 0
    assert re.search(rf"{re.escape(str(one))}: \d+ events, ", capfd.readouterr().err)
    assert one.read_text().startswith("<!DOCTYPE html>")
    assert other.stat().st_size <= 400_000
    assert call(["show", str(SAMPLE)]) == 125
    assert "-o" in capfd.readouterr().err
    picture = tmp_path / "moment.svg"
    assert call(["show", str(SAMPLE), "--at", "2", "-o", str(picture)]) == 0
    assert "event 2: fork" in texts(picture.read_text())[0]
    capfd.readouterr()
    assert call(["show", "--at", "999", "-o", str(tmp_path / "no.svg"), str(SAMPLE)]) == 125
    assert "there is no event 999; the last one is " in capfd.readouterr().err
    assert not (tmp_path / "no.svg").exists()


def test_files_that_are_read_stay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "program.S"
    program.write_text(SAMPLE.read_text())
    assert call(["show", "-o", str(program), str(program)]) == 125
    assert "the program itself" in capfd.readouterr().err
    assert program.read_text() == SAMPLE.read_text()


@pytest.mark.parametrize(
    ("against", "program", "said"),
    [
        ("--fork eager", "fork_sample.S", "fork eager"),
        ("--kernel 2.4", "fork_sample.S", "kernel 2.4"),
        (str(ROOT / "userland" / "vfork_order.S"), "vfork_order.S", "fork cow"),
    ],
)
def test_the_second_run_has_its_own_options(
    against: str, program: str, said: str, tmp_path: Path
) -> None:
    import base64
    import gzip

    path = tmp_path / "two.html"
    assert call(["show", "-o", str(path), "--against", against, str(SAMPLE)]) == 0
    packed = re.findall(r'<script type="text/plain" id="\w+">([^<]+)<', path.read_text())
    runs = [gzip.decompress(base64.b64decode(text)).decode().splitlines() for text in packed]
    first, second = (json.loads(run[0]) for run in runs)
    assert first["options"]["fork"] == "cow"
    assert second["program"] == program
    name, value = said.split()
    assert second["options"][name] == value


@pytest.mark.parametrize("against", ["--nonsense", "--fork", "'open"])
def test_a_wrong_second_run_is_refused(
    against: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.html"
    assert call(["show", "-o", str(path), "--against", against, str(SAMPLE)]) == 125
    assert "--against" in capfd.readouterr().err
    assert not path.exists()


def test_run_writes_the_same_lines(tmp_path: Path) -> None:
    path = tmp_path / "events"
    assert call(["run", "--events", str(path), str(SAMPLE)]) == 0
    session = Session(SAMPLE, config=Config(timing="i486"))
    shown = Shown(session, max_steps=0)
    session.run()
    shown.finish()
    written = list(read(path.read_text().splitlines()))
    assert written[1:] == list(read(shown.lines))[1:]


def test_the_cycles_page_leads_into_the_page_of_the_run(tmp_path: Path) -> None:
    run, cycles, data = (
        tmp_path / name for name in ("run page.html", "cycles.html", "cycles.json")
    )
    assert call(["show", "-o", str(run), str(SAMPLE)]) == 0
    options = ["--html", str(cycles), "--page", str(run), "--json", str(data)]
    assert call(["cycles", *options, str(SAMPLE)]) == 0
    links = {
        name: int(number)
        for number, name in re.findall(
            r'<a href="run%20page\.html#event=(\d+)">([^<]+)</a>', cycles.read_text()
        )
    }
    assert set(links) == set(json.loads(data.read_text())["events"])
    session = Session(SAMPLE, config=Config(timing="i486"))
    events = session.show().events()
    assert (events[links["fork"]]["kind"], events[links["fork"]]["call"]) == ("trap", "fork")
    for name in ("cow_copied", "cow_reused"):
        number = next(n for key, n in links.items() if name in key)
        assert events[number]["vector"] == 14
        assert events[number + 1]["what"] == name


def test_the_browser_is_opened_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    path = tmp_path / "run.html"
    assert call(["show", str(SAMPLE), "-o", str(path), "--open"]) == 0
    assert opened == [path.as_uri()]


def test_the_command_takes_traps_to_look_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.html"
    assert call(["show", "--trap", "14", "-o", str(path), str(SAMPLE)]) == 0
    assert [event["number"] for event in listed(path) if "steps" in event] == [14]
    capsys.readouterr()
    for options, said in (
        (["--trap", "15"], "event 15 is no trap but a call; the trap before it is event 14"),
        (["--trap", "9999"], "there is no event 9999; the last one is"),
        (["--trap", "14", "--against", "--fork eager"], "--trap or --against"),
    ):
        assert call(["show", *options, "-o", str(path), str(SAMPLE)]) == 125
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("timing", ["off", "i486"])
def test_the_page_goes_the_way_of_a_schedule(timing: str, tmp_path: Path) -> None:
    program = str(ROOT / "tests" / "explore" / "programs" / "philosophers.S")
    assert call(["explore", "--schedules", str(tmp_path), program]) == 0
    path, written = tmp_path / "run.html", tmp_path / "run.jsonl"
    orders = set()
    for file in sorted(tmp_path.glob("*.json")):
        options = ["--timing", timing, "--schedule", str(file)]
        call(["run", *options, "--events", str(written), program])
        assert call(["show", *options, "--instructions", "0", "-o", str(path), program]) == 0
        run = [e for e in map(json.loads, written.read_text().splitlines()) if "number" in e]
        assert listed(path) == run
        orders.add(tuple((e["cycles"], e["to"]) for e in run if e["kind"] == "switch"))
    assert len(orders) == len(list(tmp_path.glob("*.json"))) > 1


def test_a_schedule_that_does_not_fit_is_refused_as_by_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = str(ROOT / "tests" / "explore" / "programs" / "philosophers.S")
    assert call(["explore", "--schedules", str(tmp_path), program]) == 0
    file, path = tmp_path / "1.json", str(tmp_path / "run.html")
    data = json.loads(file.read_text())
    data["choices"] += data["choices"][-1:] * 50
    file.write_text(json.dumps(data))
    said = []
    for command in (["run"], ["show", "-o", path]):
        capsys.readouterr()
        assert call([*command, "--schedule", str(file), program]) == 125
        said.append(capsys.readouterr().err.splitlines()[-1])
    assert said[0] == said[1]
    assert "the schedule does not fit" in said[0]
    assert call(["show", "-o", path, "--schedule", str(file), str(SAMPLE)]) == 125
    assert "it is not of" in capsys.readouterr().err
