"""The session that docs/debugging.md shows is what the debugger prints, numbers of the layout aside."""

from __future__ import annotations

import re

import pytest
from debug_tools import ROOT, debug

from toykernel.debug.commands import COMMANDS
from toykernel.debug.commands.info import TOPICS

TEXT, BACK = ((ROOT / f"docs/{page}.md").read_text() for page in ("debugging", "going-back"))


def normal(text: str) -> list[str]:
    """Without addresses and line numbers, which move with every change of the kernel."""
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    return re.sub(r"(entry\.S|\.inc):\d+", r"\1:", text).splitlines()


@pytest.mark.parametrize("text", [TEXT, BACK], ids=["debugging", "going-back"])
def test_the_session(text: str) -> None:
    shown = text.split("```\n")[1]
    commands = re.findall(r"^\(toykernel\) (.*)$", shown, re.MULTILINE)
    done = debug(commands="\n".join(commands) + "\n")
    assert done.returncode == 0
    assert normal(done.stdout) == normal(shown), "paste the session anew into the page"


def test_every_command_is_in_the_table() -> None:
    for command in COMMANDS:
        assert re.search(rf"`{command.name}\b", TEXT + BACK), command.name
    for topic in TOPICS:
        assert f"`info {topic.name}" in TEXT + BACK, topic.name
