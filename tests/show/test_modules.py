"""The page's modules by themselves, under node: the installed one, or the one that comes with Playwright."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from toykernel.show import page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "toykernel" / "show" / "page"
JS = Path(__file__).parent / "js"


def node() -> str:
    """Where node is; skips without any."""
    found = shutil.which("node")
    if found is None:
        playwright = pytest.importorskip(
            "playwright", reason="NO NODE: the page's modules are not tested by themselves"
        )
        found = str(Path(playwright.__file__).parent / "driver" / "node")
    return found


def test_the_modules_by_themselves(tmp_path: Path) -> None:
    # node takes a file for a module by its name, or by a package.json beside it.
    folder = tmp_path / "tests" / "show" / "js"
    shutil.copytree(JS, folder)
    shutil.copytree(PAGE, tmp_path / "toykernel" / "show" / "page")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for test in sorted(folder.glob("*.mjs")):
        done = subprocess.run(
            [node(), "--test", test], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "fail 0" in done.stdout


def test_no_two_modules_have_one_name() -> None:
    """They are put into one script, so names of the outermost level are everybody's."""
    assert sorted(page.MODULES) == sorted(path.name for path in PAGE.glob("*.js"))
    names: list[str] = []
    for module in page.MODULES:
        text = (PAGE / module).read_text()
        assert len(text.splitlines()) < 450
        names += re.findall(r"^(?:export )?(?:async )?(?:function|class) (\w+)", text, re.MULTILINE)
        for row in re.findall(r"^(?:export )?const (.*)", text, re.MULTILINE):
            names += re.findall(r"(?:^|, )([A-Z_a-z]+) = ", row)
    assert len(names) > 50
    assert sorted(set(names)) == sorted(names)
    script = page.script()
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
