"""docs/fork_path.py: every numbered behaviour has code and a test that names it."""

import importlib.util
import re
import subprocess
import sys
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


def test_the_table_names_labels_of_the_entry_code(script: ModuleType) -> None:
    rows = {line.split("|")[1].strip(): line for line in script.table().splitlines() if "|" in line}
    assert "`arch/x86/entry.S:system_call`" in rows["A2"]
    assert "`arch/x86/entry.S:syscall_badsys`" in rows["A3"]
    assert "`arch/x86/entry.S:work_pending`" in rows["A4"]
    assert "`arch/x86/entry.S:ret_from_fork`" in rows["H4"]


def test_every_behaviour_names_code(script: ModuleType) -> None:
    rows = [line.split("|") for line in script.table().splitlines() if line.startswith("| ")]
    assert not [row[1].strip() for row in rows[1:] if row[3].strip() == "-"]


def test_every_number_is_explained_in_sentences_with_its_source(script: ModuleType) -> None:
    assert script.unexplained() == []
    document = SCRIPT.with_name("fork-path.md").read_text()
    for number, behaviour in script.BEHAVIOURS.items():
        assert set(behaviour) == {"title", "text", "source"}, number
        text = behaviour["text"].strip()
        assert text.endswith("."), number
        assert len(text.split()) > 12, number
        assert re.search(r"\.[cShp]+\b|SDM|POSIX", behaviour["source"]), number
        assert f"**{number}: {behaviour['title']}.**\n{text}\n*Source: " in document


def test_a_number_without_an_explanation_is_told(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = dict(script.BEHAVIOURS)
    del known["D17"], known["K7"]
    monkeypatch.setattr(script, "BEHAVIOURS", known)
    assert sorted(script.unexplained()) == ["D17", "K7"]


def check(script: Path) -> subprocess.CompletedProcess[str]:
    """Run `SCRIPT --check`."""
    command = [sys.executable, str(script), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_table_is_up_to_date() -> None:
    done = check(SCRIPT)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    copy = tmp_path / "docs" / SCRIPT.name
    copy.write_text(SCRIPT.read_text())
    explanations = SCRIPT.with_name("fork-path.toml")
    (tmp_path / "docs" / explanations.name).write_text(explanations.read_text())
    for folder in ("toykernel", "tests"):
        (tmp_path / folder).mkdir()
    subprocess.run([sys.executable, str(copy)], check=True)
    assert check(copy).returncode == 0
    (tmp_path / "toykernel" / "new.py").write_text("def alloc():  # D11\n    return 0\n")
    done = check(copy)
    assert done.returncode == 1
    assert "is stale" in done.stderr
