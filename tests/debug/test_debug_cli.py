"""`toykernel debug` as a user has it: a script, standard input, a terminal, and mistakes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from debug_tools import COMMAND, ROOT, SAMPLE, USERLAND, Terminal, debug
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toykernel.debug.commands import COMMANDS
from toykernel.debug.commands.info import TOPICS


def test_commands_from_standard_input() -> None:
    done = debug(commands="break child\nc\ninfo tasks\nquit\nsi\n")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "(toykernel) break child" in lines
    assert "This is Parent" in lines
    assert "Breakpoint 1, child" in lines
    assert any("sleeps in wait4 for child 3" in line for line in lines)
    assert lines[-1] == "(toykernel) quit"
    assert done.stderr == ""


def test_commands_from_files(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("# to the fork\nbreak fork\n\nc\n")
    two.write_text("info page counter\nc\n")
    done = debug("-x", str(one), "-x", str(two), commands="this is not read\n")
    assert done.returncode == 0
    assert "2 references to the frame" in done.stdout
    assert done.stdout.splitlines()[-1] == "The program has exited with status 0."
    assert "not read" not in done.stdout


def test_an_error_does_not_end_the_session_but_is_in_the_status() -> None:
    done = debug(commands="nonsense\nsi\nprint 1/0\n")
    assert done.returncode == 1
    assert 'no command "nonsense"' in done.stdout
    assert "<_start+10>" in done.stdout
    assert "division by zero" in done.stdout


def test_arguments_environment_and_machine_options() -> None:
    done = debug(
        *("--env", "COLOR=blue", "--memory", "8M", "--fork", "eager"),
        commands="x/s *(*($esp+8))\nx/s *($esp+16)\nb fork\nc\ninfo page counter\n",
    )
    assert done.returncode == 1  # argv[1] is NULL: nothing is there
    assert "cannot access memory" in done.stdout
    assert "COLOR=blue" in done.stdout or "1 reference to the frame" in done.stdout
    assert "1 reference to the frame" in done.stdout  # K12


def test_program_arguments() -> None:
    path = USERLAND / "args_env.S"
    done = subprocess.run(
        [*COMMAND, str(path), "one", "--two"],
        input="x/wd $esp\nx/s *($esp+8)\nx/s *($esp+12)\n", capture_output=True, text=True,
        timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    shown = re.findall(r':\t("?[\w-]+"?)$', done.stdout, re.MULTILINE)
    assert shown[-3:] == ["3", '"one"', '"--two"']


def test_boot() -> None:
    done = debug("--boot", commands="si\nbreak start_kernel\nc\nnexti\ninfo tasks\n")
    assert done.returncode == 0
    assert "<startup_32>" in done.stdout
    assert "Breakpoint 1, start_kernel" in done.stdout
    assert re.search(r"^ +1 +0 +R +init +kernel: ret_from_fork", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-x", "/nonexistent", str(SAMPLE)], "cannot read /nonexistent"),
        (["-x", "/", str(SAMPLE)], "cannot read /"),
        (["/nonexistent.S"], "No such file"),
        (["/"], "directory"),
        ([], "PROGRAM or --from FILE"),
        (["--memory", "lots", str(SAMPLE)], "is not a size"),
        (["--nonsense", str(SAMPLE)], "No such option"),
    ],
)
def test_misuse_is_125(arguments: list[str], message: str) -> None:
    done = subprocess.run(
        [*COMMAND, *arguments], input="", capture_output=True, text=True, timeout=60, cwd=ROOT,
        check=False,
    )  # fmt: skip
    assert done.returncode == 125
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_does_not_assemble(tmp_path: Path) -> None:
    path = tmp_path / "bad.S"
    path.write_text("_start: mvol $1, %eax\n")
    done = debug(program=path)
    assert done.returncode == 125
    assert "bad.S:1" in done.stderr


def test_nobody_reads_the_output() -> None:
    process = subprocess.Popen(
        [*COMMAND, str(SAMPLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    try:
        process.stdin.write(b"info idt\n" * 2000)
        process.stdin.close()
    except BrokenPipeError:
        pass
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 128 + signal.SIGPIPE
    assert error == b""


def test_bytes_that_are_no_text() -> None:
    done = subprocess.run(
        [*COMMAND, str(SAMPLE)], input=b"\xff\xfe\x00\nsi\n\x1b[A\nprint '\xc3\xa9'\n" + b"a" * 70000,
        capture_output=True, timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert b"<_start+10>" in done.stdout
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"internal error" not in done.stdout


# -- a terminal ----------------------------------------------------------------------------------


class Pty:
    """The command on a terminal of its own."""

    def __init__(self, program: Path) -> None:
        self.master, slave = pty.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self.process = subprocess.Popen(
            [*COMMAND, str(program)], stdin=slave, stdout=slave, stderr=slave, cwd=ROOT,
            start_new_session=True, env={**os.environ, "TERM": "dumb"},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self.text = ""

    def until(self, wanted: str, seconds: float = 30.0) -> str:
        """Output up to and with a text; what was read before is gone."""
        end = time.monotonic() + seconds
        while wanted not in self.text:
            ready, _, _ = select.select([self.master], [], [], max(end - time.monotonic(), 0))
            assert ready, f"no {wanted!r} in {self.text!r}"
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            assert data, f"ended before {wanted!r}: {self.text!r}"
            self.text += data.decode(errors="replace").replace("\r\n", "\n")
        before, _, self.text = self.text.partition(wanted)
        return before + wanted

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def loop() -> Pty:  # type: ignore[misc]
    terminal = Pty(USERLAND / "infinite_loop.S")
    terminal.until("(toykernel) ")
    yield terminal  # type: ignore[misc]
    terminal.close()


def test_ctrl_c_stops_a_run_and_gives_the_prompt_back(loop: Pty) -> None:
    loop.send("continue\n")
    loop.until("looping")
    time.sleep(0.3)
    loop.send("\x03")
    text = loop.until("(toykernel) ")
    assert "Interrupted." in text
    assert "<forever>" in text
    loop.send("stepi\n")
    assert "<forever>" in loop.until("(toykernel) ")
    loop.send("stepi 900000000\n")
    time.sleep(0.5)
    loop.send("\x03")
    assert "Interrupted." in loop.until("(toykernel) ")
    loop.send("quit\n")
    assert loop.process.wait(10) == 0


def test_ctrl_c_at_the_prompt_drops_the_line(loop: Pty) -> None:
    loop.send("nonsense")
    time.sleep(0.2)
    loop.send("\x03")
    loop.until("(toykernel) ")
    loop.send("print 6*7\n")
    text = loop.until("(toykernel) ")
    assert "= 42" in text
    assert "no command" not in text
    loop.send("\n")  # print does not repeat
    assert "42" not in loop.until("(toykernel) ")
    loop.send("\x04")
    assert loop.process.wait(10) == 0


def test_ctrl_c_in_a_script_ends_it() -> None:
    process = subprocess.Popen(
        [*COMMAND, str(USERLAND / "infinite_loop.S")], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"c\ninfo regs\n")
    process.stdin.flush()
    while process.stdout.readline() != b"looping\n":
        pass
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Interrupted." in out
    assert b"info regs" not in out
    assert error == b""


# -- anything at all -----------------------------------------------------------------------------

WORDS = [
    *(c.name for c in COMMANDS if c.name not in ("quit", "continue", "stepi")),
    *(t.name for t in TOPICS),
    *("counter", "child", "$eax", "*", "+4", "-1", "0xffffffff", "kernel:schedule", "syscall"),
    *(
        "trap",
        "fork",
        "cow",
        "/4wx",
        "/3i",
        "/s",
        "fork_sample.S:40",
        "3",
        "99",
        "(",
        ")",
        ",",
        "1/0",
    ),
]


@pytest.fixture(scope="module")
def victim() -> Terminal:
    return Terminal()


def survives(terminal: Terminal, line: str) -> None:
    lines = terminal.attempt(line)
    assert not any("internal error" in text for text in lines), lines
    assert not terminal.debugger.dead
    terminal.console.leaving = False
    if len(terminal.debugger.stops.all) > 40:
        terminal.do("delete")


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join))
def test_commands_put_together_at_random(victim: Terminal, line: str) -> None:
    survives(victim, line)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=80))
def test_any_text(victim: Terminal, line: str) -> None:
    survives(victim, line)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["print ", "x/4wx ", "x/i ", "break ", "info page ", "list ", "disassemble "]),
    st.text(alphabet="0123456789abcx$*+-/&|^~!<>()' \\:._,%", max_size=40),
)
def test_any_expression(victim: Terminal, command: str, text: str) -> None:
    survives(victim, command + text)


def test_python_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toykernel.cli.debug", str(SAMPLE)],
        input="quit\n", capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
