"""The command itself: help, versions, commands that do not exist, start-up, words that make no sense."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from command import COMMAND, ROOT, TIMEOUT, environment, toykernel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import toykernel as toykernel_package
from toykernel.cli.group import COMMANDS, call, cli
from toykernel.cli.main import main


def test_help_names_the_commands(capfd: pytest.CaptureFixture[str]) -> None:
    assert call(["--help"]) == 0
    out = capfd.readouterr().out
    for name in ("run", "build", "test"):
        assert f"\n  {name} " in out


def test_the_list_of_commands_says_what_they_say_of_themselves() -> None:
    context = click.Context(cli)
    for name, sentence in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(1000) == sentence


def test_help_loads_no_command_and_no_engine() -> None:
    code = "import sys; from toykernel.cli.group import call; call(['--help']); print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    loaded = out.splitlines()[-1].split()
    assert "toykernel.cli.group" in loaded
    assert {"unicorn", "toykernel.cli.run", "toykernel.state", "dataclasses"}.isdisjoint(loaded)


@pytest.mark.parametrize("name", ["run", "build", "test"])
def test_every_command_explains_itself(capfd: pytest.CaptureFixture[str], name: str) -> None:
    assert call([name, "--help"]) == 0
    out = capfd.readouterr().out
    assert out.startswith(f"Usage: toykernel {name} ")


def test_the_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert call(["--version"]) == 0
    name, engine, timing, _ = capfd.readouterr().out.splitlines()
    assert name == f"toykernel {toykernel_package.__version__}"
    assert engine.startswith("engine  unicorn 2.")
    assert "hooks native" in engine or "hooks Python" in engine
    assert re.fullmatch(r"timing  i486 by default, table [0-9a-f]{12}", timing)


@pytest.mark.parametrize("args", [[], ["rn"], ["--frobnicate"], ["main"], ["console"], ["options"]])
def test_misuse_is_125(capfd: pytest.CaptureFixture[str], args: list[str]) -> None:
    assert call(args) == 125
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert "Usage" in err
    if args == ["rn"]:
        assert "Did you mean run?" in err


@pytest.mark.parametrize(
    "args", [["--help"], ["test", "userland/fork_return.S"], ["cycles", "userland/hello.S"]]
)
def test_a_full_disk_behind_standard_output_is_125(args: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *args],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            timeout=TIMEOUT,
            check=False,
            env=environment(),
        )
    assert done.returncode == 125
    assert b"cannot write standard output: No space left" in done.stderr
    assert b"internal error" not in done.stderr


def test_the_exit_status_reaches_the_shell() -> None:
    assert toykernel("rn").returncode == 125
    assert toykernel("--help").returncode == 0


def test_help_does_not_load_the_machine() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "toykernel.cli.main", "run", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "toykernel.cli.options" in loaded
    assert not loaded & {"unicorn", "capstone", "keystone", "elftools", "toykernel.state"}


def test_a_run_loads_nothing_that_it_does_not_need() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "toykernel.cli.main", "run", "userland/hello.S"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "unicorn" in loaded
    assert not loaded & {"toykernel.observe.strace", "toykernel.cli.test", "multiprocessing"}
    assert "hashlib" not in loaded  # with OpenSSL
    if "emu._native" in loaded:
        assert not loaded & {"emu.python_hooks", "emu.x87.decode", "emu.x87.float80"}


def test_a_short_run_never_stops_to_look_for_garbage() -> None:
    """There is next to none, and all that a start has made would be looked through for it."""
    code = (
        "import gc, sys; looks = []; "
        "gc.callbacks.append(lambda when, about: looks.append(gc.get_threshold()[0])); "
        "from toykernel.cli.group import call; from toykernel.cli import main; "
        "gc.set_threshold(main._YOUNG); call(['run', 'userland/hello.S']); "
        "print(looks.count(main._YOUNG))"
    )
    for _ in range(2):  # the second finds everything assembled
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, cwd=ROOT, env=environment(), check=True,
        )  # fmt: skip
    assert done.stdout == "Hello from ring 3\n0\n"


def test_a_help_text_that_nobody_reads_to_its_end() -> None:
    done = subprocess.run(
        f"{sys.executable} -m toykernel.cli.main run --help | true",
        shell=True,
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        check=False,
    )
    assert done.stderr == b""


def test_ctrl_c_while_the_command_is_still_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("toykernel.cli.group.call", interrupted)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


WORDS = st.one_of(
    st.sampled_from(
        [
            *(
                "run",
                "build",
                "test",
                "--memory",
                "--memory=16M",
                "--cpu",
                "max",
                "--fork",
                "--check",
            ),
            *("--strace", "--strace=/nonexistent/x", "--report", "--summary", "--max-cycles", "1"),
            *("--env", "--file", "a:/b", "--rlimit", "--", "-", "-o", "-j", "-k", "-x", "--help"),
            *("userland", "userland/hello.S", "/nonexistent", ".", ""),
        ]
    ),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=12),
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(WORDS, max_size=7))
def test_no_command_line_is_answered_by_a_traceback(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
) -> None:
    if words[:1] == ["test"] or "debug" in words:
        words = [*words, "/nonexistent"]  # not the whole of userland every time
    monkeypatch.chdir(tmp_path)
    (tmp_path / "userland").mkdir(exist_ok=True)
    source = ".globl _start\n_start: movl $1, %eax\nmovl $7, %ebx\nint $0x80\n"
    (tmp_path / "userland" / "hello.S").write_text(source)
    status = call(words)
    out, err = capfd.readouterr()
    assert status in (0, 1, 7, 75, 124, 125), (status, err)
    assert "Traceback" not in out + err
    assert "internal error" not in err


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toykernel", "run", "userland/hello.S"],
        capture_output=True, timeout=TIMEOUT, check=False, cwd=ROOT, env=environment(),
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello from ring 3\n", b"")


@pytest.mark.parametrize(
    "module", ["toykernel.harness", "click", "toykernel.cli.group", "toykernel.cli.run", "unicorn"]
)
def test_ctrl_c_during_any_import_of_ours_is_quiet(module: str) -> None:
    code = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from toykernel.cli.main import main\n"
        "sys.argv = ['toykernel', 'run', 'userland/hello.S']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=TIMEOUT, check=False,
        cwd=ROOT, env=environment(),
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"")
