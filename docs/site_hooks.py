"""For mkdocs: pages that lie outside docs/ (the tables of programs and exercises, the changelog)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
#: Their names on the site, and where they are.
OUTSIDE = {
    "programs.md": "userland/README.md",
    "exercises.md": "exercises/README.md",
    "changelog.md": "CHANGELOG.md",
}


def on_files(files: Files, config: Any) -> Files:
    """Take them in."""
    for name, path in OUTSIDE.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to them to where they are on the site."""
    up = "../" * page.file.src_uri.count("/")
    for name, path in OUTSIDE.items():
        markdown = markdown.replace(f"]({up}../{path})", f"]({up}{name})")
    return markdown
