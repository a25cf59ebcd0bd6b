"""The documents: links lead somewhere, the site builds, blocks of code do what they say.

What commands print in ```console blocks is compared by tests/test_reference.py, which runs docs/reference.py.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from toykernel.cli.group import call

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*DOCS, ROOT / "README.md", ROOT / "userland/README.md", ROOT / "exercises/README.md"]
USERLAND = ROOT / "userland"


def anchors(path: Path) -> set[str]:
    """What a heading can be linked by."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "", text)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page if not name else page.parent / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_every_document_has_a_title_and_a_place_on_the_site(page: Path) -> None:
    assert page.read_text().startswith("# ")
    assert f"- {page.relative_to(ROOT / 'docs')}\n" in (ROOT / "mkdocs.yml").read_text()


def test_the_command_finds_them(capfd: pytest.CaptureFixture[str]) -> None:
    assert call(["docs"]) == 0
    listed = {line.split()[0] for line in capfd.readouterr().out.splitlines()}
    assert {str(p.relative_to(ROOT / "docs").with_suffix("")) for p in DOCS} <= listed


def test_the_tests_of_the_tour(pytester: pytest.Pytester) -> None:
    """They run as they stand, beside the program that they name."""
    text = (ROOT / "docs/tours/test-author.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    (ini,) = re.findall(r"```ini\n(.*?)```", text, re.DOTALL)
    (pytester.path / "pytest.ini").write_text(ini)
    for number, block in enumerate(blocks):
        (pytester.path / f"test_{number}.py").write_text(block)
    source = (USERLAND / "cow_copy_reuse.S").read_text()
    (pytester.path / "cow_copy_reuse.S").write_text(source)
    (pytester.path / "programs").mkdir()
    (pytester.path / "programs" / "zombie.S").write_text((USERLAND / "zombie.S").read_text())
    found = [e for e in entry_points(group="pytest11") if e.value == "toykernel.pytest_plugin"]
    plugin = [] if found else ["-p", "toykernel.pytest_plugin"]
    pytester.runpytest_subprocess(*plugin).assert_outcomes(passed=3)


def test_pages_with_console_blocks_are_those_that_are_renewed() -> None:
    """No block of commands is shown that nobody runs."""
    with_blocks = {p.relative_to(ROOT / "docs") for p in DOCS if "```console" in p.read_text()}
    tours = {p.relative_to(ROOT / "docs") for p in (ROOT / "docs/tours").glob("*.md")}
    assert with_blocks == tours | {Path("how-to.md")}


@pytest.fixture(scope="module")
def reference() -> object:
    """docs/reference.py as a module."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        spec = importlib.util.spec_from_file_location("reference", ROOT / "docs/reference.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return module


def test_gaps_in_what_is_shown(reference: object) -> None:
    same: Callable[[str, str], bool] = reference.same_but_for_gaps  # type: ignore[attr-defined]
    assert same("a\nb\n", "a\nb\n")
    assert not same("a\n", "a\nb\n")
    assert same("a\n...\nd\n", "a\nb\nc\nd\n")
    assert not same("a\n...\nd\n", "a\nb\nc\ne\n")


# -- the site --------------------------------------------------------------------------------------


class Links(HTMLParser):
    """Where a page leads, and what leads to it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.names.add(value)
            if (tag, name) in (
                ("a", "href"),
                ("link", "href"),
                ("script", "src"),
                ("img", "src"),
            ) and value:
                self.links.append(value)


@pytest.mark.slow
def test_the_site(tmp_path: Path) -> None:
    """It builds without a warning, every page is in it, and every link within it leads somewhere."""
    for module in ("mkdocs", "material"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(
                f"THE SITE WAS NOT BUILT: {module} is not installed (pip install '.[docs]')"
            )
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = {path: Links(path.read_text()) for path in tmp_path.rglob("*.html")}
    assert len(pages) >= len(DOCS) + 3
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are absolute: it is shown at any place
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name.partition("?")[0]).resolve() if name else path
            assert target.exists(), f"{path.name}: {link}"
            if anchor and target in pages:
                assert anchor in pages[target].names, f"{path.name}: {link}"
