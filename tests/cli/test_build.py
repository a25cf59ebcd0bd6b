"""`toykernel build`: the file, its mode, and what is left of it when something fails."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from command import EXIT_7, USERLAND, toykernel, write

from toykernel.cli.group import call
from toykernel.host_files import replace_file


def test_the_file_is_executable_and_runs_here(tmp_path: Path) -> None:
    built = tmp_path / "seven"
    assert toykernel("build", write(tmp_path, EXIT_7), "-o", built).returncode == 0
    assert stat.S_IMODE(built.stat().st_mode) == 0o755
    assert built.read_bytes()[:4] == b"\x7fELF"
    assert toykernel("run", built).returncode == 7


def test_an_elf_file_is_checked_and_copied(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert call(["build", str(USERLAND / "hello.S"), "-o", str(first)]) == 0
    assert call(["build", str(first), "-o", str(second)]) == 0
    assert first.read_bytes() == second.read_bytes()


def test_equal_sources_give_equal_files(tmp_path: Path) -> None:
    images = []
    for name in ("a", "b"):
        assert call(["build", str(USERLAND / "fork_sample.S"), "-o", str(tmp_path / name)]) == 0
        images.append((tmp_path / name).read_bytes())
    assert images[0] == images[1]


@pytest.mark.parametrize("output", [".", "/nonexistent/dir/file", "/dev/full", ""])
def test_a_place_that_cannot_be_written_is_125(
    capfd: pytest.CaptureFixture[str], output: str
) -> None:
    assert call(["build", str(USERLAND / "hello.S"), "-o", output]) == 125
    assert "cannot write" in capfd.readouterr().err


def test_a_source_with_a_mistake_leaves_the_old_file(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    built = tmp_path / "old"
    built.write_text("old")
    source = write(tmp_path, "_start: frobnicate\n")
    assert call(["build", str(source), "-o", str(built)]) == 125
    assert f"{source}:1: " in capfd.readouterr().err
    assert built.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old", "program.S"]


@pytest.mark.parametrize("name", ["program.S", "link"])
def test_a_source_is_not_overwritten_by_what_is_built_from_it(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    source = write(tmp_path, EXIT_7)
    (tmp_path / "link").symlink_to(source)
    assert call(["build", str(source), "-o", str(tmp_path / name)]) == 125
    assert "is the source itself" in capfd.readouterr().err
    assert source.read_text() == EXIT_7


def test_an_interrupted_write_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "new", b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_macro_of_the_command_line_counts_where_no_directive_is(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = "# if it were a directive: a comment\n" + EXIT_7.replace("$7", "$CODE")
    for name, cpp in (("program.S", True), ("program.s", False)):
        source = write(tmp_path, text if not cpp else text.split("\n", 1)[1], name)
        assert call(["run", "-D", "CODE=9", str(source)]) == (9 if cpp else 125)
    assert "undefined symbol `CODE'" in capfd.readouterr().err
    source = write(tmp_path, text.replace("$CODE", "$3"))
    for options in ([], ["--no-cache"], []):  # whose name it has nowhere
        assert call(["run", *options, "-D", "CODE=9", str(source)]) == 3
        assert capfd.readouterr().err == ""
    source = write(tmp_path, EXIT_7, "plain.s")
    for _ in range(2):
        assert call(["run", "-D", "CODE=9", str(source)]) == 7
        assert "-D means nothing to" in capfd.readouterr().err
