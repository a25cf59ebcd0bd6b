"""Programs that are judged on another machine: with what they need, and in the words of the original."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from toykernel.cli.group import call
from toykernel.cli.judge import judge
from toykernel.cli.parcel import pack

PROGRAM = """# expect stdout: {expected}
# with: lib/second.S
.include "linux.inc"
.include "common.inc"
.globl _start
_start: call second
    sys_exit $0
"""
SECOND = """.include "linux.inc"
.globl second
second: sys_write $STDOUT_FILENO, $text, $3
    ret
.data
text: .incbin "letters"
"""


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "second.S").write_text(SECOND)
    (folder / "common.inc").write_text(".set UNUSED, 1\n")
    (folder / "letters").write_bytes(b"abc")
    (folder / "lib" / "letters").write_bytes(b"abc")
    (folder / "secret").write_text("nobody names it")
    (folder / "good.S").write_text(PROGRAM.format(expected="abc"))
    (folder / "bad.S").write_text(PROGRAM.format(expected="xyz"))
    return folder


def test_a_parcel_is_judged_where_nothing_else_is(submission: Path) -> None:
    here = [judge(str(submission / name), 1_000_000) for name in ("good.S", "bad.S")]
    assert [one.outcome for one in here] == ["passed", "failed"], here
    sent = pickle.dumps([pack(one.path) for one in here])
    assert b"nobody names it" not in sent
    shutil.rmtree(submission)
    there = [parcel.judge(1_000_000) for parcel in pickle.loads(sent)]
    assert there == here


def test_what_is_missing_is_told_as_here(submission: Path) -> None:
    (submission / "common.inc").unlink()
    program = str(submission / "good.S")
    assert pack(program).judge(1_000_000) == judge(program, 1_000_000)


@pytest.mark.slow
def test_a_cluster_judges_as_one_process_does(submission: Path, capfd) -> None:
    distributed = pytest.importorskip("distributed")
    said = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        for options in (["-j", "1"], ["--cluster", cluster.scheduler_address]):
            assert call(["test", *options, str(submission)]) == 1
            said.append(capfd.readouterr().out)
    assert said[0] == said[1]
    assert "1 passed" in said[0]
