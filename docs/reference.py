"""Writes the parts of the documents that follow from the code: the man page (docs/man/toykernel.1) and the
pages of docs/reference, and what commands print in docs/debugging.md, docs/going-back.md, docs/tours and
docs/how-to.md.

`--check` writes nothing and answers 1 when a file is not what the script would write.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import reference_tables as tables

from toykernel.cli.group import cli
from toykernel.harness import exit_status as status

ROOT = Path(__file__).parents[1]
#: Whose first block is a session with the debugger.
PAGES = tuple(ROOT / "docs" / f"{page}.md" for page in ("debugging", "going-back"))
#: What the exit status of `run` means.
STATUSES = (
    ("the program's", "it ended by itself"),
    (f"{status.SIGNALED} + N", "signal N killed it"),
    (f"{status.EXIT_BUG}", "the kernel went wrong: an oops, or an invariant that does not hold"),
    (f"{status.EXIT_DEADLOCK}", "every task sleeps for ever; the message says which, and on what"),
    (f"{status.EXIT_LIMIT}", "the cycle limit was reached"),
    (f"{status.EXIT_MISUSE}", "wrong usage, or a program that does not assemble or load"),
    (f"{status.EXIT_INTERRUPTED}", "Ctrl-C"),
)
FILES = (
    ("$XDG_CACHE_HOME/toykernel", "the assembled kernel, kept between runs; it may be deleted"),
    ("$XDG_STATE_HOME/toykernel/history", "what was typed at the prompt of the debugger"),
)


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with its full name, parts of a group after it."""
    top = click.Context(cli, info_name="toykernel", max_content_width=100)
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=top, max_content_width=100)
        yield f"toykernel {name}", command, context
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                part = command.get_command(context, inner)
                assert part is not None
                yield (
                    f"toykernel {name} {inner}",
                    part,
                    click.Context(part, info_name=inner, parent=context),
                )


def usage(command: click.Command, context: click.Context) -> str:
    """What stands behind the name."""
    return " ".join(command.collect_usage_pieces(context))


def paragraphs(text: str | None) -> list[tuple[bool, list[str]]]:
    """A help text: (kept as it is, lines) of each paragraph."""
    found: list[tuple[bool, list[str]]] = []
    for part in (text or "").strip().split("\n\n"):
        lines = [line.strip("\b") for line in part.split("\n")]
        kept = part.lstrip(" ").startswith("\b")
        if kept:
            lines = [line.rstrip() for line in lines if line.strip()]
            margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
            found.append((True, [line[margin:] for line in lines]))
        elif lines != [""]:
            found.append((False, [" ".join(line.strip() for line in lines)]))
    return found


def options(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """(as it is written, what it does) of each option."""
    records = (p.get_help_record(context) for p in command.params if isinstance(p, click.Option))
    return [(name, " ".join(text.split())) for name, text in filter(None, records)]


# -- man -------------------------------------------------------------------------------------------


def roff(text: str) -> str:
    """A line of text for troff."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _man_text(text: str | None) -> Iterator[str]:
    for kept, lines in paragraphs(text):
        yield ".PP"
        if kept:
            yield from (".nf", *map(roff, lines), ".fi")
        else:
            yield from map(roff, lines)


def _man_list(pairs: Iterator[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Iterator[str]:
    for name, text in pairs:
        yield from (".TP", f".B {roff(name)}", roff(text))


def man() -> str:
    """The page toykernel(1)."""
    about = click.Context(cli, info_name="toykernel")
    lines = [
        '.\\" Written by docs/reference.py; do not edit.',
        '.TH TOYKERNEL 1 "" "toykernel" "User Commands"',
        ".SH NAME",
        "toykernel \\- run and step i386 programs on a Linux\\-shaped kernel",
        ".SH SYNOPSIS",
        ".B toykernel",
        "COMMAND [OPTIONS] [ARGUMENTS]",
        ".SH DESCRIPTION",
        *_man_text(cli.help),
        ".SH OPTIONS",
        *_man_list(iter(options(cli, about))),
        ".SH COMMANDS",
    ]
    for name, command, context in commands():
        lines += [f".SS {roff(f'{name} {usage(command, context)}')}"]
        lines += [*_man_text(command.help), *_man_list(iter(options(command, context)))]
        if command.epilog:
            lines += _man_text(command.epilog)
    lines += [".SH EXIT STATUS", *_man_list(STATUSES), ".SH FILES", *_man_list(FILES)]
    lines += [
        ".SH SEE ALSO",
        ".BR as (1),",
        ".BR gdb (1),",
        ".BR strace (1),",
        ".BR fork (2)",
        ".PP",
        roff("toykernel docs lists the documents that come with this version."),
    ]
    return "\n".join(lines) + "\n"


# -- Markdown --------------------------------------------------------------------------------------


def commands_page() -> str:
    """Every command with its options."""
    out = [
        "# Commands and options",
        "",
        "Written by `docs/reference.py` from the command line itself; do not edit. The man page has the",
        "same, and so has `--help` of each command.",
    ]
    for name, command, context in commands():
        out += ["", f"## {name}", "", f"    {name} {usage(command, context)}"]
        for kept, lines in [*paragraphs(command.help), *paragraphs(command.epilog)]:
            out += ["", *(f"    {line}" if kept else line for line in lines)]
        table = [pair for pair in options(command, context) if not pair[0].startswith("-h,")]
        if table:
            out += ["", "| option | meaning |", "|---|---|"]
            out += [f"| `{tables.cell(option)}` | {tables.cell(text)} |" for option, text in table]
    out += ["", "## Exit status", "", "| exit status of `run` | meaning |", "|---|---|"]
    out += [f"| {name} | {text} |" for name, text in STATUSES]
    return "\n".join(out) + "\n"


# -- what programs print ---------------------------------------------------------------------------


def session_page(page: Path) -> str:
    """A page of PAGES with what its commands print now."""
    before, shown, after = page.read_text(encoding="utf-8").split("```\n", 2)
    commands = re.findall(r"^\(toykernel\) (.*)$", shown, re.MULTILINE)
    typed = "".join(f"{command}\n" for command in commands)
    return "```\n".join((before, shell("toykernel debug userland/fork_sample.S", typed), after))


def shell(command: str, typed: str = "") -> str:
    """What a command prints, on both streams, in a folder that is a copy of userland and exercises."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("userland", "exercises"):
            (Path(folder) / name).symlink_to(ROOT / name)
        wrapper = Path(folder) / ".bin" / "toykernel"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m toykernel "$@"\n')
        wrapper.chmod(0o755)
        done = subprocess.run(
            ["sh", "-c", command],
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{wrapper.parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "COLUMNS": "100",
            },
        )
    return done.stdout


def console_blocks(path: Path) -> str:
    """A page with what the commands of its ```console blocks print now.

    A line `$ COMMAND` is run by a shell, all of a block in one folder; `...` stands for lines left out, and
    stays when what is around it is still printed.
    """

    def renewed(block: re.Match[str]) -> str:
        commands = re.findall(r"^\$ (.*)$", block[1], re.MULTILINE)
        shown = re.split(r"^\$ .*\n", block[1], flags=re.MULTILINE)[1:]
        marked = "\n".join(f"{c}\nprintf '\\001'" for c in commands)
        printed = shell(marked).split("\001")
        parts = []
        for command, old, new in zip(commands, shown, printed, strict=False):
            parts.append(f"$ {command}\n{old if same_but_for_gaps(old, new) else new}")
        return f"```console\n{''.join(parts)}```"

    return re.sub(r"```console\n(.*?)```", renewed, path.read_text("utf-8"), flags=re.DOTALL)


def same_but_for_gaps(shown: str, printed: str) -> bool:
    """Whether a text is another one with `...` for some of its lines."""
    pieces = [re.escape(piece) for piece in re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE)]
    return re.fullmatch(r"(?:.*\n)*?".join(pieces), printed) is not None


def pages() -> dict[Path, str]:
    """Every file, and what belongs into it."""
    docs = ROOT / "docs"
    reference = docs / "reference"
    return {
        docs / "man" / "toykernel.1": man(),
        reference / "commands.md": commands_page(),
        reference / "system-calls.md": tables.system_calls(),
        reference / "debugger.md": tables.debugger(),
        reference / "checks.md": tables.checks(),
        reference / "clocks.md": tables.clocks(),
        **{page: session_page(page) for page in PAGES},
        **{path: console_blocks(path) for path in sorted((docs / "tours").glob("*.md"))},
        docs / "how-to.md": console_blocks(docs / "how-to.md"),
    }


def main() -> int:
    """Write the files, or compare them."""
    said = shell("toykernel run userland/hello.S")
    if said != "Hello from ring 3\n":  # nothing else would be right
        print(said, end="", file=sys.stderr)
        return 1
    written = pages()
    stale = [
        path
        for path, text in written.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what docs/reference.py writes: make docs")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
