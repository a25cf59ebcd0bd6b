"""The headers of the programs under userland/, held against a real Linux.

Each program is built with GNU as and ld, and run as a 32-bit process of this machine. What Linux
does is the truth that the headers state; the emulated kernel is held to the same headers elsewhere.
"""

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from toykernel.expectations import Expectations, compare, parse_header

USERLAND = Path(__file__).parents[2] / "userland"
PROGRAMS = sorted(USERLAND.glob("*.S"))
TIMEOUT = 10  # seconds; every program ends within a few milliseconds
STACK_LIMIT = 8 << 20  # bytes; Linux's default, in which stack_overflow must end

EXIT_42 = ".globl _start\n_start: movl $1, %eax\nmovl $42, %ebx\nint $0x80\n"


def build(source: Path, directory: Path) -> Path:
    """Assemble and link `source`; returns the executable. Fails the test with the tool's words."""
    compiled = directory / "program.o"
    program = directory / source.stem
    for command in (
        ["as", "--32", "-I", str(USERLAND / "include"), str(source), "-o", str(compiled)],
        ["ld", "-m", "elf_i386", str(compiled), "-o", str(program)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        assert done.stderr == "", f"{' '.join(command)}\n{done.stderr}"
    return program


def set_limits() -> None:
    """Between fork and exec: the limits that a program's fate may depend on."""
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (STACK_LIMIT, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(
    program: Path, args: tuple[str, ...] = (), env: dict[str, str] | None = None
) -> tuple[bytes, bytes, int, int | None]:
    """Run to the end of all output; returns stdout, stderr, shell status, signal or None."""
    done = subprocess.run(
        [str(program), *args],
        env=env or {},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        preexec_fn=set_limits,
    )
    signal = -done.returncode if done.returncode < 0 else None
    status = done.returncode if signal is None else 128 + signal
    return done.stdout, done.stderr, status, signal


def environment(expectations: Expectations) -> dict[str, str]:
    """The variables that `--env K=V` asks for; any other option means nothing to a real Linux."""
    variables: dict[str, str] = {}
    words = iter(expectations.options)
    for word in words:
        assert word == "--env", f"{expectations.path}: {word} has no native meaning: `native: no`?"
        name, equals, value = next(words, "").partition("=")
        assert equals, f"{expectations.path}: --env needs NAME=VALUE"
        variables[name] = value
    return variables


@pytest.fixture(scope="session")
def linux32(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips, saying why, where 32-bit programs cannot be built or run."""
    for tool in ("as", "ld"):
        if shutil.which(tool) is None:
            pytest.skip(f"no `{tool}`: GNU binutils are not installed")
    directory = tmp_path_factory.mktemp("probe")
    source = directory / "probe.S"
    source.write_text(EXIT_42)
    probe = subprocess.run(
        ["as", "--32", str(source), "-o", str(directory / "probe.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode != 0:
        pytest.skip(f"`as --32` does not work here: {probe.stderr.strip()}")
    if os.uname().sysname != "Linux":
        pytest.skip("not a Linux: nothing to compare with")
    try:
        status = run(build(source, directory))[2]
    except OSError as error:
        pytest.skip(f"this machine does not run 32-bit x86 programs: {error}")
    if status != 42:
        pytest.skip(f"this machine does not run 32-bit x86 programs: probe ended with {status}")


@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("linux32")
def test_linux_does_what_the_header_says(source: Path, tmp_path: Path) -> None:
    expectations = parse_header(source.read_text(), str(source))
    if expectations.native_refusal is not None:
        pytest.skip(f"{source.name} is not for a real Linux: {expectations.native_refusal}")
    program = build(source, tmp_path)
    stdout, stderr, status, signal = run(program, expectations.args, environment(expectations))
    differences = compare(expectations, stdout, stderr, status, signal, None)
    assert not differences, "\n".join(differences)


def test_the_programs_are_there() -> None:
    assert len(PROGRAMS) >= 18
    table = (USERLAND / "README.md").read_text()
    assert not [p.name for p in PROGRAMS if f"| `{p.name}` |" not in table]


@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_says_what_it_teaches(source: Path) -> None:
    text = source.read_text()
    expectations = parse_header(text, str(source))
    assert expectations.title
    assert expectations.says_anything
    assert "\n# Idea: " in text
    assert "\n# While stepping: " in text
    watched = text[text.index("# While stepping: ") :].partition("\n\n")[0]
    assert len(watched) > 40
    if expectations.report:  # a count needs its derivation
        assert "\n# Why " in text
