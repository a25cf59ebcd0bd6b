"""The pytest plugin: fixtures for tests of guest programs, and programs with promises in their headers as
tests themselves (docs/testing.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from toykernel.testing import Orders, Run

#: The file of the test that runs, or for which a fixture is made.
CURRENT = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Define the ini option `toykernel_paths`."""
    parser.addini(
        "toykernel_paths",
        "programs, or folders of programs, whose `# expect` lines are tests, relative to the ini file",
        type="paths",
        default=[],
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture of a test, of whatever scope, is made."""
    item.config.stash[CURRENT] = item.path


# -- fixtures --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def boot(request: pytest.FixtureRequest) -> Callable[..., Run]:
    """boot(PROGRAM, [ARGS], kernel=…, sysctl={…}, files={…}, stdin=…, max_cycles=…, memory=…, …): a
    program ready to run. For fixtures of any scope.

    A relative path is looked up beside the test file first, then in the working directory.
    """
    from toykernel import testing

    def start(program: Path | str, *args: Any, **options: Any) -> Run:
        __tracebackhide__ = True
        return testing.boot(_beside(request, program), *args, **options)

    return start


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """program(SOURCE, [ARGS], …): the same for assembly source given as text."""
    from toykernel import testing

    def start(source: str, *args: Any, **options: Any) -> Run:
        __tracebackhide__ = True
        path = tmp_path_factory.mktemp("program") / "program.S"
        path.write_text(source)
        return testing.boot(path, *args, **options)

    return start


@pytest.fixture(scope="session")
def explore(request: pytest.FixtureRequest) -> Callable[..., Orders]:
    """explore(PROGRAM, [ARGS], preemptions=…, free_time=…, check=…, …): all orders of a program's tasks, with
    assertions about every outcome. A relative path is looked up as by `boot`.
    """
    from toykernel import testing

    def start(program: Path | str, *args: Any, **options: Any) -> Orders:
        __tracebackhide__ = True
        return testing.explore(_beside(request, program), *args, **options)

    return start


def _beside(request: pytest.FixtureRequest, program: Path | str) -> Path | str:
    test = request.config.stash.get(CURRENT, None)
    beside = (request.config.rootpath if test is None else test.parent) / program
    return beside if beside.exists() else program


# -- programs as tests -----------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A program below toykernel_paths, or named on the command line."""
    folders: list[Path] = parent.config.getini("toykernel_paths")
    named = parent.session.isinitpath(file_path)
    if not named and not any(file_path.is_relative_to(folder) for folder in folders):
        return None
    from toykernel.cli.test import SUFFIXES, is_part

    if file_path.suffix not in SUFFIXES or (not named and is_part(file_path)):
        return None
    collector: pytest.Collector = ProgramFile.from_parent(parent, path=file_path)
    return collector


class ProgramFile(pytest.File):
    """A program's source file as pytest collects it: one test."""

    def collect(self) -> Iterable[pytest.Item]:
        """The program's run."""
        yield ProgramItem.from_parent(self, name="run")


class BrokenPromise(Exception):
    """What the program did otherwise, a line each."""


class ProgramItem(pytest.Item):
    """Runs a program and compares it with its header, as `toykernel test` does."""

    def runtest(self) -> None:
        """Raises BrokenPromise; skips a program that promises nothing."""
        from toykernel.cli.judge import judge
        from toykernel.cli.test import MAX_CYCLES
        from toykernel.harness.verdict import FAILED, SILENT

        verdict = judge(str(self.path), MAX_CYCLES)
        self.user_properties += [("instructions", verdict.instructions), ("cycles", verdict.cycles)]
        if verdict.outcome == SILENT:
            pytest.skip(SILENT)
        if verdict.outcome == FAILED:
            raise BrokenPromise("\n".join(verdict.explanation))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The lines alone: where in our code they were found helps nobody."""
        if isinstance(excinfo.value, BrokenPromise):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """What the summary calls it."""
        return self.path, 0, self.name
