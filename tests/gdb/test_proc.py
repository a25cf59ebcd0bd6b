"""/proc of the guest's processes, which gdb (`info proc') and what sits on it read as files."""

from __future__ import annotations

import pytest

from tests.gdb.client import Client


def read(client: Client, path: str) -> str:
    """A file, through vFile."""
    opened = client.ask(f"vFile:open:{path.encode().hex()},0,0")
    assert not opened.startswith("F-1")
    fd = opened[1:]
    text, at = "", 0
    while part := client.ask(f"vFile:pread:{fd},1000,{at:x}").partition(";")[2]:
        text += part
        at += len(part)
    assert client.ask(f"vFile:close:{fd}") == "F0"
    return text


def test_maps_status_and_names() -> None:
    client = Client("fork_sample.S")
    rows = [line.split() for line in read(client, "/proc/2/maps").splitlines()]
    assert [row[0] for row in rows][1] == "08049000-0804a000"
    assert (rows[1][1], rows[1][-1], rows[-1][-1]) == ("r-xp", "/fork_sample", "[stack]")
    assert read(client, "/proc/2/cmdline") == "/fork_sample\0"
    assert "Pid:\t2\n" in read(client, "/proc/2/status")
    assert read(client, "/proc/2/exe").startswith("\x7fELF")


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        ("readlink:" + b"/proc/2/exe".hex(), "Fc;/fork_sample"),
        ("readlink:" + b"/proc/2/cwd".hex(), "F1;/"),
        ("readlink:" + b"/proc/9/exe".hex(), "F-1,2"),
        ("readlink:" + b"/fork_sample".hex(), "F-1,16"),
        ("open:" + b"/proc/9/maps".hex() + ",0,0", "F-1,2"),
        ("open:" + b"/proc/0/maps".hex() + ",0,0", "F-1,2"),
        ("open:" + b"/proc/x/maps".hex() + ",0,0", "F-1,2"),
        ("open:" + b"/proc/2/mem".hex() + ",0,0", "F-1,2"),
        ("open:" + b"/proc/2/maps".hex() + ",1,0", "F-1,1e"),
    ],
)
def test_an_answer(packet: str, answer: str) -> None:
    assert Client("fork_sample.S").ask(f"vFile:{packet}") == answer


def test_a_threads_maps_are_its_process_s() -> None:
    """gdb reads them to find the vDSO's page (linux-tdep.c, linux_vsyscall_range)."""
    client = Client("fork_sample.S")
    assert read(client, "/proc/2/task/2/maps") == read(client, "/proc/2/maps")
