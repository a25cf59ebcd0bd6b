"""docs/fork_path.py: every numbered behaviour has code and a test that names it."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "fork_path.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The generator, as a module."""
    spec = importlib.util.spec_from_file_location("fork_path", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_behaviour_is_tested(script: ModuleType) -> None:
    assert script.untested() == []


def test_ranges_and_lists(script: ModuleType) -> None:
    assert script.expand("F1-F4") == ["F1", "F2", "F3", "F4"]
    assert script.expand("D18, D19") == ["D18", "D19"]
    assert script.expand("K99") == []


def test_the_table_names_code_and_test(script: ModuleType) -> None:
    row = next(line for line in script.table().splitlines() if line.startswith("| D17 |"))
    assert "kernel/fork.py:check_signals" in row
    assert "kernel/test_copy_process.py:test_a_signal_comes_first" in row
