"""The headers of the programs under userland/, held against a real Linux.

Each program is built with GNU as and ld, and run as a 32-bit process of this machine. What Linux
does is the truth that the headers state; the emulated kernel is held to the same headers elsewhere.
"""

from pathlib import Path

import pytest
from native_linux import PROGRAMS, USERLAND, build, environment, run, skip_unless_normal_niceness

from toykernel.harness.comparison import compare
from toykernel.harness.expectations import parse_header


@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("linux32")
def test_linux_does_what_the_header_says(source: Path, tmp_path: Path) -> None:
    expectations = parse_header(source.read_text(), str(source))
    if expectations.native_refusal is not None:
        pytest.skip(f"{source.name} is not for a real Linux: {expectations.native_refusal}")
    if source.stem.startswith("priority"):
        skip_unless_normal_niceness()
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
