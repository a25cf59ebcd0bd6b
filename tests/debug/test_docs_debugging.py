"""The session that docs/debugging.md shows is what the debugger prints, to the last number."""

from __future__ import annotations

import re

import pytest
from debug_tools import ROOT, debug

from toykernel.debug.commands import COMMANDS
from toykernel.debug.commands.info import TOPICS

TEXT, BACK = ((ROOT / f"docs/{page}.md").read_text() for page in ("debugging", "going-back"))


@pytest.mark.parametrize("text", [TEXT, BACK], ids=["debugging", "going-back"])
def test_the_session(text: str) -> None:
    shown = text.split("```\n")[1]
    commands = re.findall(r"^\(toykernel\) (.*)$", shown, re.MULTILINE)
    done = debug(commands="\n".join(commands) + "\n")
    assert done.returncode == 0
    assert done.stdout.splitlines() == shown.splitlines(), "make docs writes it anew"


def test_every_command_is_in_the_table() -> None:
    for command in COMMANDS:
        assert re.search(rf"`{command.name}\b", TEXT + BACK), command.name
    for topic in TOPICS:
        assert f"`info {topic.name}" in TEXT + BACK, topic.name
