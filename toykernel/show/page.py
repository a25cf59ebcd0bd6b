"""The page: data, style and script in one file that needs nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

#: In the order in which they need each other.
MODULES = (
    *("model.js", "words.js", "dom.js", "cpu_panels.js", "task_panels.js", "memory_panels.js"),
    *("timebar.js", "view.js", "main.js"),
)
_IMPORT = re.compile(r"^import\s[^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const))", re.MULTILINE)

Pair = tuple[int | None, int | None]


def script() -> str:
    """The modules as one: they are written so that no two have the same names."""
    folder = files("toykernel.show") / "page"
    parts = [(folder / name).read_text(encoding="utf-8") for name in MODULES]
    return "".join(_EXPORT.sub("", _IMPORT.sub("", part)) for part in parts)


def packed(lines: Iterable[str]) -> str:
    """Lines of docs/events.md as the page keeps them: gzip, in base64."""
    data = "".join(lines).encode("ascii")
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")


def page(
    title: str,
    lines: Sequence[str],
    other: Sequence[str] | None = None,
    pairs: Sequence[Pair] | None = None,
) -> str:
    """The page of a run; with `other`, of two side by side, whose events `pairs` puts together."""
    style = (files("toykernel.show") / "page" / "style.css").read_text(encoding="utf-8")
    data = [_data("run", packed(lines))]
    if other is not None:
        data.append(_data("other", packed(other)))
        text = json.dumps(pairs, separators=(",", ":"))
        data.append(f'<script type="application/json" id="pairs">{text}</script>')
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: a run</title>\n<style>\n{style}</style></head>\n<body>\n"
        "<noscript>This page needs a script, which is in it.</noscript>\n"
        + "\n".join(data)
        + f'\n<script type="module">\n{script()}</script></body></html>\n'
    )


def _data(name: str, text: str) -> str:
    return f'<script type="text/plain" id="{name}">{text}</script>'
