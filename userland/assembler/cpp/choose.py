"""Which preprocessor a source goes through: that of the C compiler, or our own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ..errors import AssemblyError
from ..source import checked_source, read_source

#: Headers that every source may include where no system headers are: system call numbers.
HEADERS: Final = Path(__file__).parent / "headers"

#: How the names of sources end that go through the preprocessor.
CPP_ENDINGS: Final = (".S", ".sx", ".spp")
_WORDS: Final = (
    "define|undef|include|include_next|if|ifdef|ifndef|elif|else|endif|error|pragma|line"
)
_CERTAIN: Final = re.compile(rf"^[ \t]*#(?:{_WORDS})\b", re.M)
_MESSAGE: Final = re.compile(
    r"(?P<file>.+?):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<text>.*)"
)
_SECONDS: Final = 60


def uses_preprocessor(name: str, text: str, macros: Mapping[str, str] | None = None) -> bool:
    """Whether a source is meant for cpp: a `.S` with a directive written without a space, or with the name of
    one of `macros`.

    A line `# if the child …` alone is what it looks like: a comment.
    """
    if not name.endswith(CPP_ENDINGS):
        return False
    return has_directives(text) or any(
        re.search(rf"(?<![\w.]){re.escape(macro)}(?![\w.])", text) for macro in macros or ()
    )


def has_directives(text: str) -> bool:
    """Whether a line begins with `#define` or its kin, without a space."""
    return _CERTAIN.search(text) is not None


def installed_cpp(environment: Mapping[str, str]) -> list[str] | None:
    """The command of the preprocessor that is there: $CC, gcc, clang, cpp; None without any."""
    import shlex
    import shutil

    if chosen := shlex.split(environment.get("CC", "")):
        return [*chosen, "-E"] if shutil.which(chosen[0]) else None
    for name, arguments in (
        ("gcc", ["-E"]),
        ("clang", ["-E", "--target=i386-linux-gnu"]),
        ("cpp", []),
    ):
        if shutil.which(name):
            return [name, *arguments]
    return None


def preprocessed(
    path: Path,
    *,
    include: Sequence[Path] = (),
    macros: Mapping[str, str] | None = None,
    cpp: Sequence[str] | None = (),
    data: bytes | None = None,
) -> str:
    """A file, or `data` under its name, as the assembler gets it: through the preprocessor when it has
    directives of that, else as it is. Raises AssemblyError."""
    text = read_source(path, str(path)) if data is None else checked_source(data, str(path))
    if not uses_preprocessor(path.name if data is None else f"{path.name}.S", text, macros):
        return text
    return preprocess(text, str(path), path, include=include, defines=macros, command=cpp)


def preprocess(
    text: str,
    shown: str,
    path: Path | None,
    *,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    command: Sequence[str] | None = (),
) -> str:
    """The text as the assembler gets it, with line markers.

    `command` runs an installed preprocessor, None means whichever is here; when it is empty our own serves.
    One that does not work at all, so that it names no line, is as good as none. Raises AssemblyError.
    """
    import subprocess  # most sources have no directives: what follows is loaded for those that have

    from .preprocessor import Preprocessor

    def own() -> str:
        folders = [HEADERS, *_system_headers()]
        return Preprocessor(include, folders, defines or {}).run(text, shown, path)

    if command is None:
        command = installed_cpp(os.environ)
    if not command:
        return own()
    folders = [path.parent, *include] if path is not None else include
    words = [
        *command, "-m32", "-x", "assembler-with-cpp",
        *(word for folder in folders for word in ("-I", str(folder))),
        "-idirafter", str(HEADERS),
        *(f"-D{name}={value}" for name, value in (defines or {}).items()),
        "-",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            words, input=f'#line 1 "{_quoted(shown)}"\n{text}'.encode("utf-8", "surrogateescape"),
            capture_output=True, timeout=_SECONDS, env={**os.environ, "LC_ALL": "C"}, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return own()
    if done.returncode:
        refusal = _refusal(command[0], done.stderr.decode("utf-8", "surrogateescape"))
        if refusal is None:
            return own()
        raise refusal
    return done.stdout.decode("utf-8", "surrogateescape")


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _refusal(name: str, said: str) -> AssemblyError | None:
    for line in said.splitlines():
        if found := _MESSAGE.match(line):
            return AssemblyError(
                found["file"], int(found["line"]), found["text"], f"so says `{name} -E'"
            )
    return None


def _system_headers() -> list[Path]:
    places = ("/usr/local/include", "/usr/include/i386-linux-gnu", "/usr/include")
    return [Path(place) for place in places if Path(place).is_dir()]
