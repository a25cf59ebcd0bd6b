"""The front end's own work (labels, layout, directives, macros) against GNU as and ld."""

from __future__ import annotations

from pathlib import Path

import pytest
from features import FEATURES
from gnu_toolchain import compare, needs_gnu, refusals

from userland.assembler import assemble

USERLAND = Path(__file__).resolve().parents[2] / "userland"
INCLUDE = [USERLAND / "include"]


@needs_gnu
@pytest.mark.parametrize("name", sorted(FEATURES))
def test_feature_gives_gnu_bytes(name: str, tmp_path: Path) -> None:
    source = tmp_path / "feature.s"
    source.write_text(FEATURES[name])
    assert refusals(source) == {}
    compare(source, assemble(source), tmp_path)


@needs_gnu
@pytest.mark.parametrize("path", sorted(USERLAND.glob("*.S")), ids=lambda path: path.stem)
def test_program_gives_gnu_bytes(path: Path, tmp_path: Path) -> None:
    compare(path, assemble(path, include=INCLUDE), tmp_path, INCLUDE)
