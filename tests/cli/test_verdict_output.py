"""`toykernel test`: TAP and JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from command import EXIT_7, write

from toykernel.cli import version
from toykernel.cli.group import call
from toykernel.cli.verdict_output import junit_xml
from toykernel.harness.verdict import FAILED, Verdict


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """One that keeps its promise, one that does not, one that makes none."""
    folder = tmp_path / "p"
    folder.mkdir()
    write(folder, "# expect status: 7\n" + EXIT_7, "a_good.S")
    write(folder, '# expect stdout: <&"\n# expect status: 7\n' + EXIT_7, "b #wrong.S")
    write(folder, EXIT_7, "c_silent.S")
    return folder


def test_tap(capfd: pytest.CaptureFixture[str], programs: Path) -> None:
    assert call(["test", "--tap", "-j", "1", str(programs)]) == 1
    out = capfd.readouterr().out.replace(f"{programs}/", "")
    assert out.splitlines() == [
        "TAP version 13",
        "1..3",
        "ok 1 - a_good.S",
        "not ok 2 - b \\#wrong.S",
        "  ---",
        "  message: |-",
        '    b #wrong.S:1: stdout line 1: expected `<&"`, output ended',
        "  ...",
        "ok 3 - c_silent.S # SKIP without expectations",
    ]


def test_junit(capfd: pytest.CaptureFixture[str], programs: Path, tmp_path: Path) -> None:
    written = tmp_path / "out.xml"
    assert call(["test", "-j", "1", "--junit-xml", str(written), str(programs)]) == 1
    assert capfd.readouterr().out.endswith("1 passed, 1 failed, 1 without expectations\n")
    first = written.read_bytes()
    suites = ET.fromstring(first)
    assert suites.attrib == {"tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    good, wrong, silent = suites.findall("./testsuite/testcase")
    assert (good.get("name"), good.get("classname")) == ("a_good.S", str(programs))
    figures = {p.get("name"): p.get("value") for p in good.iterfind("./properties/property")}
    assert int(figures["instructions"] or 0) > 3
    assert good.find("failure") is None
    failure = wrong.find("failure")
    assert failure is not None
    assert 'expected `<&"`, output ended' in (failure.text or "")
    assert silent.find("skipped") is not None
    call(["test", "-j", "2", "--junit-xml", str(written), str(programs)])
    assert written.read_bytes() == first


def test_junit_is_xml_whatever_a_program_prints() -> None:
    text = "".join(map(chr, range(256))) + "\ud800\uffff"
    ET.fromstring(junit_xml([Verdict("a", FAILED, (text, text))]))


def test_a_report_that_cannot_be_written(capfd: pytest.CaptureFixture[str], programs: Path) -> None:
    assert call(["test", "--junit-xml", "/nonexistent/x", str(programs)]) == 125
    captured = capfd.readouterr()
    assert captured.out == ""  # said before anything was run
    assert "cannot write /nonexistent/x" in captured.err


def test_python_hooks_are_mentioned_when_it_takes_long(capfd: pytest.CaptureFixture[str]) -> None:
    version.say_slow("native", version.LONG_RUN)
    version.say_slow("python", version.LONG_RUN - 1)
    assert capfd.readouterr().err == ""
    version.say_slow("python", version.LONG_RUN)
    assert capfd.readouterr().err == f"toykernel: {version.WITHOUT_C}\n"


@pytest.mark.parametrize("command", ["run", "cycles", "test"])
def test_each_command_says_it(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    programs: Path,
    command: str,
) -> None:
    monkeypatch.setattr("emu.cpu.load_native", lambda: None)
    monkeypatch.setattr("emu.trap_plan.load_native", lambda: None)
    monkeypatch.setattr(version, "LONG_RUN", 10)
    args = ["-j", "1"] if command == "test" else []
    call([command, *args, str(programs / "a_good.S")])
    assert version.WITHOUT_C in capfd.readouterr().err
    assert call(["--version"]) == 0
    assert "hooks Python" in capfd.readouterr().out
