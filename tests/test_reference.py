"""What docs/reference.py writes is what the command line says, and a man page that groff takes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "man" / "toykernel.1"


def test_the_files_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "docs/reference.py", "--check"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


def test_the_man_page() -> None:
    if shutil.which("groff") is None:
        pytest.skip("no groff: the man page is not formatted here")
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", str(PAGE)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    text = re.sub(r".\x08|\x1b\[\d*m", "", done.stdout)  # bold, as a terminal prints it
    assert "--max-cycles N" in text
    assert "toykernel run [OPTIONS] PROGRAM [ARGS]..." in text
