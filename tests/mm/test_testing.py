"""toykernel.testing: each assertion holds where it should, and explains itself where it does not."""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from toykernel.pytest_plugin import program as program
from toykernel.testing import Run
from toykernel.testing import boot as boot_program

pytest_plugins = ["pytester"]
USERLAND = Path(__file__).parents[2] / "userland"


@pytest.fixture
def run() -> Run:
    return boot_program(USERLAND / "cow_copy_reuse.S")


def test_shared_until_written(run: Run) -> None:  # K2, K5
    view = run.until("copy")
    assert view.pid == 3
    run.assert_shared(2, 3, "shared")
    run.assert_readonly(2, "shared")
    run.assert_readonly(3, "shared")
    run.assert_references(3, "shared", 2)
    with pytest.raises(AssertionError, match=r"has 2 references, mapped by pid 2 .*; pid 3"):
        run.assert_private(3, "shared")
    with pytest.raises(AssertionError, match="is read-only"):
        run.assert_writable(3, "shared")
    with pytest.raises(AssertionError, match="has 2 references, not 1"):
        run.assert_references(2, "shared", 1)
    run.until("reuse")
    run.assert_private(2, "shared")
    run.assert_readonly(2, "shared")  # K6: the write bit comes with the write
    run.finish()
    run.assert_exit(0)
    run.assert_copies("shared")
    run.assert_faults(3, cow_copied=1, cow_reused=0)
    run.assert_faults(2, cow_copied=0, cow_reused=1)
    run.assert_nothing_leaked()


def test_failures_tell_the_story(run: Run) -> None:
    run.until("copy")
    run.session.step()
    run.until("reuse")
    with pytest.raises(AssertionError) as failure:
        run.assert_shared(2, 3, "shared")
    assert "there is no pid 3" in str(failure.value) or "no memory any more" in str(failure.value)
    run.finish()
    with pytest.raises(AssertionError, match="not copied: 0x") as failure:
        run.assert_copies("shared", "_start")
    assert "movl $2, shared" in str(failure.value)
    with pytest.raises(AssertionError, match="copied as well"):
        run.assert_copies()
    with pytest.raises(AssertionError, match="cow_copied: 1, not 7"):
        run.assert_faults(3, cow_copied=7)
    with pytest.raises(AssertionError, match="it ended with exit status 0"):
        run.assert_exit(3)
    with pytest.raises(ValueError, match="no kind of fault: cow"):
        run.assert_faults(3, cow=1)


def test_private_pages_are_not_shared() -> None:
    run = boot_program(USERLAND / "cow_copy_reuse.S", eager_fork=True)
    run.until("copy")
    with pytest.raises(AssertionError, match="is not shared: pid 2 has frame") as failure:
        run.assert_shared(2, 3, "shared")
    assert "what happened there" in str(failure.value)


def test_a_place_that_is_never_reached() -> None:
    run = boot_program(USERLAND / "cow_copy_reuse.S")
    with pytest.raises(AssertionError, match="did not come to failed: it ended with exit status 0"):
        run.until("failed")


def test_a_leak_is_reported(run: Run) -> None:
    run.finish()
    run.session.kernel.memory.pages.alloc_pages(run.session.kernel, 1, "nobody's")
    with pytest.raises(AssertionError, match="leaked: 2 frames"):
        run.assert_nothing_leaked()


def test_program_fixture(program: Callable[..., Run]) -> None:
    run = program("""
        .globl _start
        _start: movl $2, %eax
                int $0x80
        after:  incl word
                movl $1, %eax
                xorl %ebx, %ebx
                int $0x80
        .data
        word:   .long 0
    """)
    run.finish().assert_copies("word")


def test_five_lines_of_a_user(pytester: pytest.Pytester) -> None:
    """The documented example, as a user has it: a test file beside a program."""
    (pytester.path / "prog.S").write_text((USERLAND / "cow_copy_reuse.S").read_text())
    pytester.makepyfile(
        """
        def test_cow(boot):
            run = boot("prog.S")
            run.until("copy")
            run.assert_shared(2, 3, "shared")
            run.finish().assert_copies("shared")

        def test_wrong(boot):
            boot("prog.S").finish().assert_copies()
        """
    )
    found = [e for e in entry_points(group="pytest11") if e.value == "toykernel.pytest_plugin"]
    # An installation from before the plugin does not offer it by itself.
    result = pytester.runpytest_subprocess(*([] if found else ["-p", "toykernel.pytest_plugin"]))
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*copied as well: 0x0804?000*"])
