"""Writes the parts of the documents that follow from the code: the man page (docs/man/toykernel.1) and the
page of commands and options (docs/commands.md), and what the debugger prints in docs/debugging.md.

`--check` writes nothing and answers 1 when a file is not what the script would write.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from toykernel.cli.group import cli
from toykernel.harness import exit_status as status

ROOT = Path(__file__).parents[1]
#: Whose first block is a session with the debugger.
PAGE = ROOT / "docs" / "debugging.md"
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


def cell(text: str) -> str:
    """Text inside a table."""
    return text.replace("|", "\\|")


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
            out += [f"| `{cell(option)}` | {cell(text)} |" for option, text in table]
    out += ["", "## Exit status", "", "| exit status of `run` | meaning |", "|---|---|"]
    out += [f"| {name} | {text} |" for name, text in STATUSES]
    return "\n".join(out) + "\n"


# -- the session with the debugger -----------------------------------------------------------------


def session_page() -> str:
    """docs/debugging.md with what its commands print now."""
    before, shown, after = PAGE.read_text(encoding="utf-8").split("```\n", 2)
    commands = re.findall(r"^\(toykernel\) (.*)$", shown, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-m", "toykernel", "debug", "userland/fork_sample.S"],
        input="".join(f"{command}\n" for command in commands),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return "```\n".join((before, done.stdout, after))


def pages() -> dict[Path, str]:
    """Every file, and what belongs into it."""
    docs = ROOT / "docs"
    return {
        docs / "man" / "toykernel.1": man(),
        docs / "commands.md": commands_page(),
        PAGE: session_page(),
    }


def main() -> int:
    """Write the files, or compare them."""
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what docs/reference.py writes: make docs")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
