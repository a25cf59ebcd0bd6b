"""Files of the host: outputs that destroy nothing and are whole, inputs that are files, odd names."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import COMMAND, EXIT_7, ROOT, TIMEOUT, USERLAND, environment, toykernel, write

from toykernel.cli.group import call
from toykernel.host_files import replace_file

OUTPUTS = {
    "run": [
        "--report=",
        "--strace=",
        "--cow=",
        "--trace=sched=",
        "--ftrace=",
        "--timeline=",
        "--process-tree=",
    ],
    "cycles": ["--json=", "--html="],
    "build": ["--output=", "--map="],
}
OUTPUTS["run"] += ["--record-input=", "--events=", "--save="]
EVERY = [(command, option) for command, options in OUTPUTS.items() for option in options]
WHOLE = [(c, o) for c, o in EVERY if o in (
    "--report=", "--timeline=", "--process-tree=", "--json=", "--html=", "--map=", "--output=", "--save="
)]  # fmt: skip
OTHER_FILES = [
    ("run", "--with"), ("run", "--file"), ("run", "--stdin"), ("run", "--input"),
    ("cycles", "--with"), ("cycles", "--file"), ("cycles", "--against"), ("build", "--with"),
]  # fmt: skip


def words(command: str, option: str, output: object, program: object) -> list[str]:
    """A command line that writes one file."""
    more = ["-o", os.devnull] if command == "build" and option != "--output=" else []
    return [command, *more, f"{option}{output}", str(program)]


def said(capfd: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    status = call([*map(str, args)])
    return status, capfd.readouterr().err


# -- nothing that is read is written -------------------------------------------------------------------


@pytest.mark.parametrize(("command", "option"), EVERY)
@pytest.mark.parametrize("name", ["program.S", "symbolic", "hard", "inside/../program.S"])
def test_the_program_is_not_written_over(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, command: str, option: str, name: str
) -> None:
    source = write(tmp_path, EXIT_7)
    (tmp_path / "symbolic").symlink_to(source)
    (tmp_path / "hard").hardlink_to(source)
    (tmp_path / "inside").mkdir()
    status, err = said(capfd, *words(command, option, tmp_path / name, source))
    assert status == 125
    assert "itself; name another file" in err
    assert source.read_text() == EXIT_7


@pytest.mark.parametrize(("command", "reads"), OTHER_FILES)
def test_no_other_file_that_is_read_is_written_over(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, command: str, reads: str
) -> None:
    program = write(tmp_path, EXIT_7)
    other = write(tmp_path, '{"schema": 1}', "other.S")
    named = f"{other}:/guest" if reads == "--file" else str(other)
    if reads == "--against":
        assert said(capfd, "cycles", "--json", other, program)[0] == 7
    before = other.read_text()
    for option in OUTPUTS[command]:
        line = words(command, option, other, program)
        status, err = said(capfd, line[0], reads, named, *line[1:])
        assert status == 125
        assert "itself; name another file" in err
        assert other.read_text() == before


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (EXIT_7, '.include "included.inc"\n'),
        (".equ NUMBER, 7\n", '.include "included.inc"\n' + EXIT_7),
        ("#define NUMBER 7\n", '#include "included.inc"\n' + EXIT_7),
        ("bytes", EXIT_7 + '.data\n.incbin "included.inc"\n'),
    ],
    ids=["statements", "symbols", "macros", "bytes"],
)
@pytest.mark.parametrize("command", ["run", "cycles", "build"])
def test_an_included_source_is_not_written_over(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, command: str, text: str, rest: str
) -> None:
    included = write(tmp_path, text, "included.inc")
    program = write(tmp_path, rest)
    for option in OUTPUTS[command]:
        status, err = said(capfd, *words(command, option, included, program))
        assert status == 125
        assert f"{included} is a source of the program" in err
        assert included.read_text() == text


def test_an_executable_may_be_checked_in_its_place(tmp_path: Path) -> None:
    built = tmp_path / "built"
    assert call(["build", "-o", str(built), str(write(tmp_path, EXIT_7))]) == 0
    image = built.read_bytes()
    assert call(["build", "-o", str(built), str(built)]) == 0
    assert built.read_bytes() == image


# -- no two outputs in one file ------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False], ids=["an old file", "a new file"])
@pytest.mark.parametrize(
    ("command", "one", "other"),
    [
        (command, options[i - 1], options[i])
        for command, options in OUTPUTS.items()
        for i in range(len(options))
    ],
)
def test_two_outputs_need_two_files(
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: str,
    one: str,
    other: str,
    there: bool,
) -> None:
    program, out, link = write(tmp_path, EXIT_7), tmp_path / "out", tmp_path / "link"
    if there:
        out.write_text("old")
        link.hardlink_to(out)
    else:
        link.symlink_to(out)
    for second in (out, link):
        status, err = said(capfd, command, f"{one}{out}", f"{other}{second}", program)
        assert status == 125
        assert "writes, too; name another file" in err
        assert (out.read_text() if there else "") == ("old" if there else "")
        assert out.exists() == there


@pytest.mark.parametrize("stream", ["/dev/stdout", "-", "/dev/fd/1", "/dev/null"])
def test_a_stream_takes_several(stream: str) -> None:
    done = toykernel("run", "--report", stream, f"--strace={stream}", USERLAND / "hello.S")
    assert (done.returncode, done.stderr) == (0, b"")
    if stream != "/dev/null":
        assert done.stdout.count(b"Hello from ring 3") == 2  # by the guest, and in its write
        assert b'"schema": 1' in done.stdout


def test_dev_stdout_goes_on_where_standard_output_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("wb") as file:
        file.write(b"before\n")
        file.flush()
        line = [*COMMAND, "run", "--report", "/dev/stdout", str(USERLAND / "hello.S")]
        subprocess.run(line, stdout=file, timeout=TIMEOUT, check=True, env=environment())
    assert out.read_text().startswith("before\nHello from ring 3\n{\n")


def test_a_file_that_standard_output_has_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("wb") as file:
        line = [*COMMAND, "run", "--report", str(out), str(USERLAND / "hello.S")]
        done = subprocess.run(
            line,
            stdout=file,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT,
            check=False,
            env=environment(),
        )
    assert done.returncode == 125
    assert b"is standard output, too" in done.stderr
    assert out.read_bytes() == b""


# -- whole or not at all -------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "option"), WHOLE)
@pytest.mark.parametrize("old", ["old contents", None])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, command: str, option: str, old: str | None
) -> None:
    out, program = tmp_path / "out", USERLAND / "fork_sample.S"
    if old is not None:
        out.write_text(old)
    done = subprocess.run(
        [*COMMAND, *words(command, option, out, program)],
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        # Python would keep what it has compiled, cut off like everything else.
        env={
            **environment(),
            "XDG_CACHE_HOME": "/dev/null/none",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)),
    )
    assert done.returncode == 125, done.stderr
    assert f"cannot write {out}: File too large".encode() in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ([] if old is None else ["out"])
    assert old is None or out.read_text() == old


#: Replaces a file, and is ended by a signal before the last step.
ENDED = """
import os, signal, sys
from toykernel.host_files import replace_file
os.replace = lambda *_: os.kill(os.getpid(), signal.Signals[sys.argv[2]])
replace_file(sys.argv[1], b"new")
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    out = write(tmp_path, "old", "out")
    line = [sys.executable, "-c", ENDED, str(out), name]
    done = subprocess.run(
        line, capture_output=True, timeout=TIMEOUT, env=environment(), check=False
    )
    assert done.returncode == -signal.Signals[name]
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("out", "old")]


def test_a_run_that_is_ended_leaves_the_old_report(tmp_path: Path) -> None:
    report, trace = write(tmp_path, "old", "report"), tmp_path / "trace"
    spin = write(tmp_path, ".globl _start\n_start: movl $20, %eax\nint $0x80\njmp _start\n")
    line = [*COMMAND, "run", "--report", str(report), f"--strace={trace}", str(spin)]
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, cwd=ROOT, env=environment()) as command:
        while not (trace.exists() and trace.stat().st_size) and command.poll() is None:
            pass
        command.send_signal(signal.SIGTERM)
        assert command.wait(TIMEOUT) == -signal.SIGTERM
    assert report.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["program.S", "report", "trace"]


def test_a_replaced_file_keeps_mode_and_link(tmp_path: Path) -> None:
    out, link = write(tmp_path, "a longer old text", "out"), tmp_path / "link"
    link.symlink_to(out)
    out.chmod(0o640)
    replace_file(link, b"new")
    assert link.is_symlink()
    assert out.read_bytes() == b"new"
    assert out.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "out"]


def test_a_new_file_has_what_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "out", b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640


def test_a_file_in_a_folder_that_takes_no_other_is_written_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = write(tmp_path, "a longer old text", "out")

    def refused(_target: str) -> tuple[int, str]:
        raise PermissionError

    monkeypatch.setattr("toykernel.host_files._new_beside", refused)
    for text in (b"new", b"new again, and longer than it was"):
        replace_file(out, text)
        assert out.read_bytes() == text
    with pytest.raises(PermissionError):
        replace_file(tmp_path / "none", b"new")


# -- inputs are files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "device", "directory"])
@pytest.mark.parametrize(
    "line",
    [
        "run --file {}:/b hello.S", "run --input {} hello.S", "cycles --against {} hello.S",
        "run --with {} hello.S", "run {}", "build {} -o /dev/null", "debug {}", "cycles {}",
        "run --with {}.o hello.S", "run {}.S",
    ],
)  # fmt: skip
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str, line: str) -> None:
    name = tmp_path / "it"
    for path in (name, tmp_path / "it.S", tmp_path / "it.o"):
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
    done = toykernel(*line.format(name).split(), cwd=USERLAND)
    assert done.returncode == 125, done.stderr
    assert f"a {kind}, not a file".encode() in done.stderr or b"Is a directory" in done.stderr
    assert b"internal error" not in done.stderr


def test_a_pipe_is_no_program_of_test(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.S")
    done = toykernel("test", tmp_path / "p.S")
    assert done.returncode == 1
    assert b"a pipe, not a file" in done.stdout


# -- names ---------------------------------------------------------------------------------------------


@pytest.fixture
def odd(tmp_path: Path) -> bytes:
    """A folder with programs in it, every name with a byte that is no UTF-8."""
    folder = os.fsencode(tmp_path) + b"/odd\xfe"
    os.makedirs(folder + b"/inc\xfd")
    files = {
        b"sample\xff.S": b"# expect status: 0\n" + (USERLAND / "fork_sample.S").read_bytes(),
        b"inc\xff.S": b'.include "m\xfc.inc"\n#include "n\xfb.h"\n'
        b".globl _start\n_start: movl $1, %eax\nmovl $N + M, %ebx\nint $0x80\n",
        b"inc\xfd/m\xfc.inc": b".equ M, 3\n",
        b"inc\xfd/n\xfb.h": b"#define N 4\n",
        b"bad\xff.S": b"_start: frobnicate\n",
        b"dies\xff.S": b".globl _start\n_start: movl %eax, 0\n",
        b"part\xff.S": b".globl part\npart: ret\n",
        b"main\xff.S": b".globl _start\n_start: call part\nmovl $1, %eax\nmovl $9, %ebx\nint $0x80\n",
    }
    for name, text in files.items():
        with open(folder + b"/" + name, "wb") as file:
            file.write(text)
    return folder


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        (b"run sample\xff.S", 0, b"Child Complete"),
        (b"run -I inc\xfd inc\xff.S", 7, b""),
        (b"run bad\xff.S", 125, b"bad\xff.S:1: no such instruction"),
        (b"run none\xff.S", 125, b"none\xff.S: No such file"),
        (b"run dies\xff.S", 139, b"(dies\xff.S:2: "),
        (b"run --with part\xff.S main\xff.S", 9, b""),
        (b"run --file sample\xff.S:/x\xff --strace main\xff.S --with", 125, b"main\xff.S:2: "),
        (b"run --strace=sample\xff.S sample\xff.S", 125, b"sample\xff.S is the program itself"),
        (b"run --report no\xff/x sample\xff.S", 125, b"cannot write no\xff/x: No such"),
        (b"run --strace --cow --trace sched sample\xff.S", 0, b'execve("/sample\\377"'),
        (b"run -D N=\xff --env A=\xff sample\xff.S", 0, b""),
        (b"test -v -j 2 sample\xff.S bad\xff.S", 0, b"sample\xff.S: passed"),
        (b"test .", 0, b"bad\xff.S: without expectations"),
        (b"cycles sample\xff.S", 0, b"sample\xff.S: "),
        (b"sysctl \xff", 125, b"there is no sysctl"),
    ],
)
def test_names_that_are_no_utf8(odd: bytes, line: bytes, status: int, text: bytes) -> None:
    done = toykernel(*line.split(), cwd=Path(os.fsdecode(odd)))
    assert done.returncode == status, done.stderr
    assert text in done.stdout + done.stderr
    assert b"internal error" not in done.stderr


def test_outputs_with_names_that_are_no_utf8(odd: bytes) -> None:
    cwd = Path(os.fsdecode(odd))
    line = (b"run --report r\xff --strace=s\xff --cow=c\xff --trace sched=t\xff --timeline l\xff "
            b"--process-tree p\xff --record-input i\xff sample\xff.S")  # fmt: skip
    assert toykernel(*line.split(), cwd=cwd).returncode == 0
    assert json.loads((cwd / os.fsdecode(b"r\xff")).read_text("utf-8"))["schema"] == 1
    assert b"comm=sample\xff " in (cwd / os.fsdecode(b"t\xff")).read_bytes()
    assert "sample\\xff" in (cwd / os.fsdecode(b"p\xff")).read_text("utf-8")
    json.loads((cwd / os.fsdecode(b"l\xff")).read_text("utf-8"))
    line = b"cycles --json j\xff --html h\xff sample\xff.S"
    assert toykernel(*line.split(), cwd=cwd).returncode == 0
    assert "sample\\xff" in (cwd / os.fsdecode(b"h\xff")).read_text("utf-8")
    assert toykernel(*b"cycles --against j\xff sample\xff.S".split(), cwd=cwd).returncode == 0


def test_built_files_with_names_that_are_no_utf8(odd: bytes) -> None:
    cwd = Path(os.fsdecode(odd))
    line = b"build main\xff.S part\xff.S -o built\xff --map map\xff"
    assert toykernel(*line.split(), cwd=cwd).returncode == 0
    assert "part\\xff.S" in (cwd / os.fsdecode(b"map\xff")).read_text("utf-8")
    assert toykernel("run", b"built\xff", cwd=cwd).returncode == 9
    assert toykernel("build", b"dies\xff.S", "-o", b"d\xff", cwd=cwd).returncode == 0
    assert b"dies\xff.S" in (cwd / os.fsdecode(b"d\xff")).read_bytes()


def test_the_debugger_takes_names_that_are_no_utf8(odd: bytes) -> None:
    done = subprocess.run(
        [*COMMAND, "debug", b"sample\xff.S"],
        input=b"break sample\xff.S:20\ninfo breakpoints\ninfo tasks\n",
        capture_output=True,
        cwd=odd,
        env=environment(),
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert b"sample\xff.S:" in done.stdout
