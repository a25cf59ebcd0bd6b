"""--assembler gnu: the installed as and ld in place of ours, and when the errors speak of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command import EXIT_7, write

from toykernel import Session
from toykernel.cli.group import call
from toykernel.harness.recipe import CompileError, LoadError, Recipe

needs_gnu = pytest.mark.skipif(
    not (shutil.which("as") and shutil.which("ld")), reason="GNU as is not installed"
)
GNU = Recipe(assembler="gnu")
#: Taken by GNU as, refused by ours: a 32-bit machine has no use for it.
CODE64 = f"{EXIT_7}.code64\n nop\n.code32\n"


@needs_gnu
def test_it_builds_what_ours_refuses(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = str(write(tmp_path, CODE64))
    assert call(["run", source]) == 125
    err = capfd.readouterr().err
    assert f"{source}:5: `.code64'" in err
    assert err.endswith(
        "note: GNU as takes this file, and it is here: --assembler gnu builds with it\n"
    )
    assert call(["run", "--assembler", "gnu", source]) == 7
    monkeypatch.setenv("TOYKERNEL_ASSEMBLER", "gnu")
    assert call(["run", source]) == 7
    assert call(["run", "--assembler", "own", source]) == 125


@needs_gnu
def test_what_both_refuse_says_nothing_of_it(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = str(write(tmp_path, "_start: mvol $1, %eax\n"))
    assert call(["run", source]) == 125
    assert "--assembler" not in capfd.readouterr().err
    assert call(["run", "--assembler", "gnu", source]) == 125
    assert f"{source}:1: Error: no such instruction: `mvol $1,%eax'" in capfd.readouterr().err


@needs_gnu
def test_it_is_as_and_ld_that_build(tmp_path: Path) -> None:
    program = write(tmp_path, f"#define STATUS 7\n{EXIT_7.replace('$7', '$STATUS')}")
    write(tmp_path, ".globl helper\nhelper: ret\n", "helper.s")
    session = Session(program, recipe=GNU)
    assert b"GNU AS" in session.elf
    assert session.guest_path == "/program"
    place = session.images.program.place_at(session.address("_start") + 5)
    assert place is not None
    assert (Path(place.file).name, place.line, place.text) == ("program.S", 4, "movl $STATUS, %ebx")
    session = Session(
        program, recipe=Recipe(assembler="gnu", others=(tmp_path / "helper.s",), entry="helper")
    )
    assert session.images.program.entry == session.address("helper")


@needs_gnu
def test_the_machine_runs_it_alike(tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "userland" / "fork_sample.S"
    outputs = []
    for recipe in (Recipe(), GNU):
        session = Session(source, recipe=recipe)
        session.run()
        outputs.append(session.stdout)
    assert outputs[0] == outputs[1] != b""


def test_without_gnu_tools_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LoadError, match="binutils") as caught:
        Session(write(tmp_path, EXIT_7), recipe=GNU)
    assert not isinstance(caught.value, CompileError)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@needs_gnu
def test_with_c_ld_links(tmp_path: Path) -> None:
    main = write(tmp_path, "int seven(void);\nint main(void) { return seven(); }\n", "main.c")
    part = write(
        tmp_path, f".globl seven\nseven: movl $7, %eax\n ret\n{CODE64[len(EXIT_7) :]}", "p.S"
    )
    assert call(["run", "--assembler", "gnu", "--with", str(part), str(main)]) == 7


def test_a_preprocessor_that_does_not_work_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "cc"
    fake.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CC", str(fake))
    assert call(["run", str(write(tmp_path, f"#define N 7\n{EXIT_7.replace('$7', '$N')}"))]) == 7


def test_the_installed_preprocessor_is_the_one_that_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "cc"
    fake.write_text("#!/bin/sh\nsed -e '/^#define/d' -e s/N/9/\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CC", str(fake))
    assert call(["run", str(write(tmp_path, f"#define N 7\n{EXIT_7.replace('$7', '$N')}"))]) == 9
