"""What is published: the source distribution is complete and can be tested, the wheel has all it needs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
URL = "https://example.org/owner/toykernel"
#: Kept under version control, and of no use to whoever has a release.
LEFT_OUT: set[str] = set()
NOT_COPIED = (
    *(".git", ".venv", "build", "dist", "site", "__pycache__", "*.so", "*.egg-info"),
    *(".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(sdist, wheel made from it), by `python -m build`, which asks the index for setuptools."""
    if importlib.util.find_spec("build") is None:
        pytest.skip("`build' is not installed: pip install '.[package]'")
    out = tmp_path_factory.mktemp("dist")
    source = out / "source"  # tests run side by side, and building leaves things behind
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_COPIED))
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(out), str(source)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TOYKERNEL_URL": URL},
    )
    if done.returncode and re.search(
        r"No matching distribution|Could not find a version|connection", done.stdout + done.stderr
    ):
        pytest.skip("THE PACKAGE WAS NOT BUILT: its build requirements cannot be had here")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("not a clone: nothing says which files there are")
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


@pytest.mark.slow
def test_the_source_distribution_is_complete(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert sorted(set(tracked()) - names - LEFT_OUT) == []
    assert [name for name in names if name.endswith((".so", ".pyc"))] == []


@pytest.mark.slow
def test_it_can_be_tested_from(built: tuple[Path, Path], tmp_path: Path) -> None:
    with tarfile.open(built[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    tests = ["tests/test_readme.py", "tests/cli/test_samples.py", "tests/debug/test_docs_api.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        capture_output=True, text=True, check=False, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_the_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    wheel = built[1]
    native = importlib.util.find_spec("emu._native") is not None
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read("toykernel-0.1.0.dist-info/METADATA").decode()
    if native:
        assert re.fullmatch(r"toykernel-[\d.]+-cp311-abi3-linux_\w+\.whl", wheel.name)
        assert "emu/_native.abi3.so" in names
    for name in (
        "toykernel/share/docs/fork-path.toml",
        "toykernel/share/docs/timing.md",
        "toykernel/share/README.md",
        "userland/include/linux.inc",
        "emu/timing/data/clocks.csv",
        "toykernel-0.1.0.data/data/share/man/man1/toykernel.1",
    ):
        assert name in names
    assert not [name for name in names if name.startswith(("tests", "bench"))]
    fields = message_from_string(metadata)
    assert fields["License-Expression"] == "GPL-2.0-or-later"
    assert f"Source, {URL}" in (fields.get_all("Project-URL") or [])
    # No link of the README leads beside it: there is nothing beside it in an index of packages.
    links = re.findall(r"\]\(([^)]+)\)", fields.get_payload())
    assert len(links) > 5
    assert all(link.startswith("https://") for link in links)
    home = tmp_path / "home"
    installed = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(home)]
    subprocess.run([*installed, str(wheel)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(home)}

    def output(*args: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "toykernel", *args],
            capture_output=True, text=True, check=True, cwd=tmp_path, env=environment,
        ).stdout  # fmt: skip

    where = output("samples", "path", "fork_sample").strip()
    assert where.startswith(str(home))
    assert output("run", where).startswith("This is Parent\n")
    assert output("docs", "--path", "timing").startswith(str(home))
    assert ("hooks native" in output("--version")) == native


@pytest.mark.slow
def test_twine_and_auditwheel_find_nothing(built: tuple[Path, Path]) -> None:
    for module in ("twine", "auditwheel"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"`{module}' is not installed: pip install '.[package]'")
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "abi3" not in built[1].name:
        pytest.skip("no C compiler here: the wheel has no extension to audit")
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(built[1])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert re.search(r'platform tag:\s+"manylinux_2_\d+_\w+"', done.stdout), done.stdout


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "toykernel.__version__"}
    assert "version" in project["project"]["dynamic"]
    # The stable ABI is that of the oldest Python which we take, and cibuildwheel builds for it.
    least = project["project"]["requires-python"].removeprefix(">=3.")
    assert f'"0x03{int(least):02x}0000"' in (ROOT / "setup.py").read_text()
    assert project["tool"]["cibuildwheel"]["build"].startswith(f"cp3{least}-")
