"""The plugin as its users have it: arguments of boot, scopes, programs as tests, what failures say."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from toykernel.harness.compiler import find_compiler
from toykernel.testing import Run
from toykernel.testing import boot as boot_program
from userland.assembler import AssemblyError

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
USERLAND = ROOT / "userland"
RETRY = """.include "linux.inc"
.globl _start
_start: sys_fork
        testl %eax, %eax
        js _start
        sys_exit $0
"""
EXIT = "movl $1, %eax\nint $0x80\n"


@pytest.fixture
def run_pytest(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """pytest in a process of its own, with the plugin."""
    found = [e for e in entry_points(group="pytest11") if e.value == "toykernel.pytest_plugin"]
    # An installation from before the plugin does not offer it by itself.
    plugin = [] if found else ["-p", "toykernel.pytest_plugin"]
    return lambda *args: pytester.runpytest_subprocess(*plugin, *args)


def source(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prog.S"
    path.write_text(f".globl _start\n_start:\n{text}")
    return path


# -- arguments of boot -----------------------------------------------------------------------------


def test_kernel_sysctl_and_files(tmp_path: Path) -> None:
    run = boot_program(USERLAND / "uname.S", kernel="3.x", sysctl={"kernel.hostname": "here"})
    assert run.session.kernel.host.profile.name == "3.x"
    assert run.session.kernel.sched.idle.nsproxy.uts_ns.name.nodename == "here"
    run = boot_program(USERLAND / "pid_wrap.S", sysctl={"kernel.pid_max": 400})
    assert run.session.kernel.processes.pids.pid_max == 400
    opens = source(
        tmp_path,
        "movl $5, %eax\nmovl $name, %ebx\nxorl %ecx, %ecx\nint $0x80\nmovl %eax, %ebx\n"
        + EXIT
        + 'name: .asciz "/etc/motd"\n',
    )
    boot_program(opens, files={"/etc/motd": b"hi"}).finish().assert_exit(3)


@pytest.mark.parametrize("stdin", [b"hello", "hello"])
def test_stdin(tmp_path: Path, stdin: bytes | str) -> None:
    reads = source(
        tmp_path,
        "movl $3, %eax\nxorl %ebx, %ebx\nmovl $buf, %ecx\nmovl $9, %edx\nint $0x80\n"
        "movl %eax, %ebx\n" + EXIT + ".bss\nbuf: .skip 9\n",
    )
    boot_program(reads, stdin=stdin).finish().assert_exit(5)


def test_max_cycles(tmp_path: Path) -> None:
    run = boot_program(source(tmp_path, "jmp _start\n"), max_cycles=5000)
    with pytest.raises(AssertionError, match="still runs after 5,000 cycles"):
        run.finish()
    assert run.session.kernel.machine.clock.cycles < 6000


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"kernel": "3"}, ValueError, r"no kernel '3'; there are 2\.4, 2\.6\.39, 3\.x, 4\.x"),
        ({"profile": "3.x"}, TypeError, r"profile is a Profile .*, not '3\.x'; .*kernel='3\.x'"),
        ({"sysctl": "a=1"}, TypeError, "sysctl is a dictionary, not 'a=1'"),
        ({"sysctl": {"kernel.pidmax": 1}}, ValueError, "there is no sysctl 'kernel.pidmax'"),
        ({"sysctl": {"kernel.pid_max": 1}}, ValueError, "1 is not between"),
        ({"args": "one two"}, TypeError, "args is a list of words, not 'one two'"),
        ({"env": ["A=1"]}, TypeError, r"env is a dictionary, not \['A=1'\]"),
        ({"files": {"motd": b""}}, TypeError, "bytes by absolute path"),
        ({"files": {"/motd": "text"}}, TypeError, "bytes by absolute path"),
        ({"memory": "16M"}, TypeError, "memory is a number of bytes"),
        ({"memory": 100}, ValueError, "multiple of 4096"),
        ({"cpu": "686"}, ValueError, "no cpu '686'"),
        ({"timing": "i586"}, ValueError, "no timing profile 'i586'"),
        ({"scheduler": "o1"}, ValueError, "no scheduler 'o1'"),
        ({"stdin": 3}, TypeError, "stdin is bytes"),
        ({"max_cycles": 0}, ValueError, "max_cycles is a positive number, not 0"),
        ({"kernal": "3.x"}, TypeError, "boot has no argument 'kernal'; did you mean kernel?"),
        ({"frobnicate": 1}, TypeError, "boot has no argument 'frobnicate'; there are check, "),
    ],
)
def test_what_is_wrong_is_told_at_once(
    arguments: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        boot_program(USERLAND / "hello.S", **arguments)


def test_hints_are_kept(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError) as failure:
        boot_program(source(tmp_path, "movx $1, %eax\nmovq2 $1, %ebx\n"))
    (note,) = failure.value.__notes__
    assert "did you mean `movzx'?" in note
    assert "prog.S:4: " in note


# -- how a program ended ---------------------------------------------------------------------------


def test_assert_exit_tells_of_the_signal_and_the_output(tmp_path: Path) -> None:
    path = source(
        tmp_path,
        "movl $4, %eax\nmovl $2, %ebx\nmovl $text, %ecx\nmovl $3, %edx\nint $0x80\n"
        'movl 0x1234, %eax\ntext: .ascii "hi\\n"\n',
    )
    run: Run = boot_program(path).finish()
    with pytest.raises(AssertionError) as failure:
        run.assert_exit(0)
    assert re.fullmatch(
        r"no exit with status 0: it was killed by SIGSEGV at eip 0x[0-9a-f]{8} "
        rf"\({re.escape(str(path))}:8: movl 0x1234, %eax\), address 0x00001234, nothing is mapped "
        r"there\ncomplained: 'hi\\n'",
        str(failure.value),
    )


# -- the plugin ------------------------------------------------------------------------------------


def test_wider_scopes_and_short_tracebacks(
    pytester: pytest.Pytester, run_pytest: Callable[..., pytest.RunResult]
) -> None:
    folder = pytester.mkdir("inner")
    (folder / "prog.S").write_text((USERLAND / "cow_copy_reuse.S").read_text())
    path = pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def run(boot):
            return boot("prog.S").finish()

        @pytest.fixture(scope="session")
        def text(program):
            return program(".globl _start\\n_start: movl $1, %eax\\nint $0x80\\n")

        def test_one(run):
            run.assert_copies("shared")

        def test_two(run, text):
            text.finish().assert_exit(0)
            run.assert_exit(0)

        def test_three(boot):
            boot("prog.S").until("nowhere")

        def test_four(boot):
            boot("prog.S", kernel="9")

        def test_five(run):
            run.faults(99)
        """
    )
    path.rename(folder / "test_inner.py")
    result = run_pytest()
    result.assert_outcomes(passed=2, failed=3)
    shown = result.stdout.str()
    assert "there is no kernel '9'" in shown
    assert "there has been no pid 99" in shown
    # Frames of ours are not shown: each failure is in the test's file.
    assert "testing.py" not in shown
    assert "pytest_plugin.py" not in shown


def test_programs_are_tests(
    pytester: pytest.Pytester, run_pytest: Callable[..., pytest.RunResult]
) -> None:
    for folder in ("programs", "other"):
        pytester.mkdir(folder)
    seven = ".globl _start\n_start: movl $7, %ebx\n" + EXIT
    (pytester.path / "programs/good.S").write_text("# expect status: 7\n" + seven)
    (pytester.path / "programs/wrong.S").write_text("# expect status: 8\n" + seven)
    (pytester.path / "programs/silent.S").write_text(seven)
    (pytester.path / "programs/notes.txt").write_text("nothing")
    (pytester.path / "other/wrong.S").write_text("# expect status: 9\n" + seven)
    pytester.makeini("[pytest]\ntoykernel_paths = programs\n")
    result = run_pytest("-v")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "programs/good.S::run PASSED*",
            "programs/wrong.S::run FAILED*",
            "*programs/wrong.S:1: end: expected exit status 8, got exit status 7",
        ],
        consecutive=False,
    )
    assert "Traceback" not in result.stdout.str()
    assert "judge" not in result.stdout.str()
    named = run_pytest("other/wrong.S")
    named.assert_outcomes(failed=1)
    named.stdout.fnmatch_lines(["*expected exit status 9, got exit status 7*"])
    without = run_pytest("-p", "no:toykernel", "-p", "no:toykernel.pytest_plugin", "other/wrong.S")
    assert without.ret != 0
    assert "expected exit status" not in without.stdout.str()


@pytest.mark.skipif(find_compiler(os.environ) is None, reason="no C compiler")
def test_programs_in_c_are_tests(
    pytester: pytest.Pytester, run_pytest: Callable[..., pytest.RunResult]
) -> None:
    folder = pytester.mkdir("programs")
    (folder / "seven.c").write_text("// expect status: 7\nint main(void) { return 7; }\n")
    (folder / "wrong.c").write_text("// expect status: 8\nint main(void) { return 7; }\n")
    (folder / "part.c").write_text("int part(void) { return 7; }\n")
    pytester.makeini("[pytest]\ntoykernel_paths = programs\n")
    result = run_pytest("-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*wrong.c:1: end: expected exit status 8, got exit status 7*"])


def test_the_documented_files(
    pytester: pytest.Pytester, run_pytest: Callable[..., pytest.RunResult]
) -> None:
    """Every block of docs/testing.md that is a program, a test or an ini file works as it stands."""
    text = (ROOT / "docs" / "testing.md").read_text()
    programs = re.findall(r"```gas\n(.*?)```", text, re.DOTALL)
    tests = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(programs) == 1
    assert len(tests) == 3
    (pytester.path / "prog.S").write_text(programs[0])
    (pytester.path / "retry.S").write_text(RETRY)
    for number, test in enumerate(tests):
        (pytester.path / f"test_{number}.py").write_text(test)
    (ini,) = re.findall(r"```ini\n(.*?)```", text, re.DOTALL)
    (pytester.path / "pytest.ini").write_text(ini)
    run_pytest("-W", "error").assert_outcomes(passed=4)
