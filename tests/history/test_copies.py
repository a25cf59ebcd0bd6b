"""A second session from the same moment, in this process and through a file in another."""

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from native_linux import PROGRAMS
from test_every_program import boot, by_program, moments, plain, seen

from toykernel.harness.session import Session
from toykernel.history import savefile
from toykernel.history.encoding import decode, encode
from toykernel.history.errors import HistoryError
from toykernel.statehash import state_hash

BY_NAME = {path.stem: path for path in PROGRAMS}
SAMPLE = BY_NAME["fork_sample"]
SOME = [BY_NAME[name] for name in ("fork_sample", "pipe_talk", "cow_copy_reuse", "signal_altstack")]

ELSEWHERE = """
import sys
from toykernel.harness.session import Session
from toykernel.statehash import state_hash
session = Session.load(sys.argv[1])
limit = int(sys.argv[2])
outcome = session.run(limit or None)
print(outcome.kind, session.report()["cycles"], state_hash(session.kernel), session.stdout.hex())
"""


@pytest.mark.parametrize("source", PROGRAMS[::3], ids=lambda path: path.stem)
def test_a_fork_and_its_parent_do_not_notice_each_other(source: Path) -> None:
    wanted = plain(source, "off")[1]
    session, limit = boot(source, "off")
    assert session.cow_journal.events == []
    session.run(moments(source, "off", 1)[0])
    then = state_hash(session.kernel)
    twin = session.fork()
    assert seen(twin, twin.run(limit)) == wanted
    assert state_hash(session.kernel) == then
    assert seen(session, session.run(limit)) == wanted


@pytest.mark.parametrize("timing", ["off", "i486"])
@pytest.mark.parametrize("source", SOME, ids=lambda path: path.stem)
def test_through_a_file(source: Path, timing: str, tmp_path: Path) -> None:
    wanted = plain(source, timing)[1]
    session, limit = boot(source, timing)
    assert session.cow_journal.events == []
    session.run(moments(source, timing, 1)[0])
    session.save(tmp_path / "moment")
    loaded = Session.load(tmp_path / "moment")
    assert state_hash(loaded.kernel) == state_hash(session.kernel)
    assert seen(loaded, loaded.run(limit)) == wanted
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "moment", str(limit or 0)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    kind, _detail = wanted["outcome"]
    output = wanted["output"][0].hex()
    expected = f"{kind} {wanted['report']['cycles']} {wanted['hash']} {output}"
    assert done.stdout.strip() == expected.strip()


@by_program
def test_the_encoding_keeps_every_state(source: Path) -> None:
    from toykernel.history.moment import replace_guest
    from toykernel.statehash import guest_data

    session, _limit = boot(source, "off")
    session.run(moments(source, "off", 1)[0])
    k = session.kernel
    then = state_hash(k)
    task = k.current
    document = json.loads(json.dumps(encode(guest_data(k))))
    replace_guest(k, decode(document))
    assert k.current is not task
    assert state_hash(k) == then


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "moment"
    session = Session(SAMPLE)
    session.run(60_000)
    session.save(path)
    return path.read_bytes()


def changed(data: bytes, change: Callable[[dict[str, object]], None]) -> bytes:
    """A file with another document, and a header that fits it."""
    import hashlib

    first, header, body = data.split(b"\n", 2)
    document = json.loads(zlib.decompress(body).decode("utf-8", "surrogatepass"))
    change(document)
    body = zlib.compress(json.dumps(document).encode())
    fields = {**json.loads(header), "body": hashlib.sha256(body).hexdigest()}
    return b"\n".join((first, json.dumps(fields).encode(), body))


def calls_system(document: dict[str, object]) -> None:
    document["root"] = ["f", "os:system"]


def makes_a_path(document: dict[str, object]) -> None:
    document["nodes"][0] = ["object", "pathlib:Path", {}]  # type: ignore[index]


def another_byte(document: dict[str, object]) -> None:
    for node in document["nodes"]:  # type: ignore[attr-defined]
        if node[0] == "object" and node[1] == "toykernel.task:Task":
            node[2]["exit_code"] = 77


def shadows_a_method(document: dict[str, object]) -> None:
    for node in document["nodes"]:  # type: ignore[attr-defined]
        if node[0] == "object" and node[1] == "toykernel.mm.page_alloc:PageAllocator":
            node[2]["page_count"] = 1


def lacks_a_field(document: dict[str, object]) -> None:
    for node in document["nodes"]:  # type: ignore[attr-defined]
        if node[0] == "object" and node[1] == "toykernel.mm.mm_types:VmArea":
            del node[2]["vm_flags"]


REFUSED: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("foreign", lambda data: b"\x7fELF" + data, "not a saved moment of toykernel"),
    ("empty", lambda data: b"", "not a saved moment of toykernel"),
    ("newer", lambda data: data.replace(b"moment 1\n", b"moment 2\n", 1), "a newer version, 2"),
    ("cut off", lambda data: data[:-1], "it is damaged"),
    ("a bit", lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "it is damaged"),
    ("no header", lambda data: data.split(b"\n")[0] + b"\n", "it is damaged"),
    ("another state", lambda data: changed(data, another_byte), "the state is not the one"),
    ("code", lambda data: changed(data, calls_system), "os:system is no data of this program"),
    ("a class", lambda data: changed(data, makes_a_path), "pathlib:Path is no data"),
    ("a gap", lambda data: changed(data, lacks_a_field), "a VmArea without vm_flags is of another"),
    ("a method", lambda data: changed(data, shadows_a_method), "page_count is no data of a"),
]


@pytest.mark.parametrize(("name", "change", "why"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_file_that_is_not_right_is_refused_in_one_line(
    name: str, change: Callable[[bytes], bytes], why: str, saved: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "moment"
    path.write_bytes(change(saved))
    with pytest.raises(HistoryError) as error:
        Session.load(path)
    assert why in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="No such file or directory"):
        Session.load(tmp_path / "none")
    with pytest.raises(HistoryError, match=r"cannot write .*: No such file"):
        Session(SAMPLE).save(tmp_path / "none" / "moment")


def test_an_unchanged_document_is_accepted(saved: bytes, tmp_path: Path) -> None:
    """So that the refusals above are for what was changed."""
    path = tmp_path / "moment"
    path.write_bytes(changed(saved, lambda document: None))
    assert Session.load(path).run().kind == "finished"
    assert savefile.read(path)[0].guest_path == "/fork_sample"
