"""`toykernel samples` and `toykernel docs`: what comes with the package can be found."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import ROOT, USERLAND

from toykernel.cli.group import call


def outcome(capfd: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    status = call([str(a) for a in args])
    captured = capfd.readouterr()
    return status, captured.out, captured.err


def test_every_program_and_include_file_is_listed(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = outcome(capfd, "samples", "list")
    names = {line.split()[0] for line in out.splitlines()}
    assert status == 0
    assert names == {p.stem for p in USERLAND.glob("*.S")} | {
        p.name for p in (USERLAND / "include").iterdir() if p.suffix in (".inc", ".h")
    }
    assert all(len(line.split(None, 1)) == 2 for line in out.splitlines())
    assert "Hello: a system call" in out


def test_a_word_chooses(capfd: pytest.CaptureFixture[str]) -> None:
    assert outcome(capfd, "samples", "list", "zombie")[1].startswith("zombie ")
    assert outcome(capfd, "samples", "list", "no such thing")[0] == 125


def test_show_and_path(capfd: pytest.CaptureFixture[str]) -> None:
    source = USERLAND / "hello.S"
    assert outcome(capfd, "samples", "show", "hello")[:2] == (0, source.read_text())
    assert outcome(capfd, "samples", "show", "hello.S")[:2] == (0, source.read_text())
    assert outcome(capfd, "samples", "path", "linux.inc")[1].endswith("include/linux.inc\n")
    status, _, err = outcome(capfd, "samples", "show", "helo")
    assert status == 125
    assert "did you mean hello" in err


def test_copied_programs_run(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "place"
    status, out, _ = outcome(
        capfd, "samples", "copy", "--include", "cow_copy_reuse", "signal_mask", folder
    )
    assert status == 0
    assert "include/linux.inc" in out
    assert "include/signal.inc" in out
    assert outcome(capfd, "test", "-j", "1", folder)[:2] == (0, "2 passed, 0 failed\n")
    (folder / "signal_mask.S").write_text("mine")
    status, out, err = outcome(capfd, "samples", "copy", "hello", "signal_mask", folder)
    assert status == 125
    assert "already there" in err
    assert not (folder / "hello.S").exists()
    assert (folder / "signal_mask.S").read_text() == "mine"
    assert outcome(capfd, "samples", "copy", "--force", "signal_mask", folder)[0] == 0
    assert outcome(capfd, "samples", "copy", "hello", folder / "signal_mask.S")[0] == 125


def test_documents(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = outcome(capfd, "docs")
    assert status == 0
    assert {line.split()[0] for line in out.splitlines()} >= {"readme", "timing", "fork-path"}
    assert outcome(capfd, "docs", "timing")[1] == (ROOT / "docs" / "timing.md").read_text()
    assert outcome(capfd, "docs", "--path", "snap")[1].endswith("docs/snapshots.md\n")
    status, _, err = outcome(capfd, "docs", "nosuch")
    assert status == 125
    assert "timing" in err
