"""What the guest gets of the host's files: --file and --mount."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from click import BadParameter

#: What is in the guest already, and is no file.
DEVICES = (
    *("console", "null", "zero", "full", "random", "urandom"),
    *("fd", "stdin", "stdout", "stderr", "tty", "ptmx", "pts"),
)
FOLDERS = (*((name,) for name in ("dev", "tmp", "etc", "bin", "root", "var")), ("dev", "shm"))


def mount_mapping(text: str) -> tuple[str, str, bool]:
    """HOST:GUEST[:ro], split at the last `:/`; whether the guest may write to its copy."""
    mapping = text.removesuffix(":ro")
    host, colon, guest = mapping.rpartition(":/")
    if not host or not colon:
        raise BadParameter(f"{text!r}: write HOST:GUEST or HOST:GUEST:ro, GUEST an absolute path")
    return host, "/" + guest, mapping == text


mount_option = click.option(
    "--mount",
    type=mount_mapping,
    multiple=True,
    metavar="HOST:GUEST[:ro]",
    help="Show a host directory in the guest, which writes to a copy in memory, or with :ro not at all. "
    "Repeatable.",
)


def guest_mounts(values: Mapping[str, Any]) -> tuple[tuple[str, str, bool], ...]:
    """Every --mount. Raises BadParameter for a directory that cannot be read, or a place that cannot be."""
    from toykernel.host_mount import HostDirectory

    for host, guest, _ in values.get("mount", ()):
        try:
            HostDirectory(host)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadParameter(f"cannot read {host}: {reason}", param_hint="--mount") from None
        parts = [part for part in guest.split("/") if part not in ("", ".")]
        taken = parts[:1] in (["proc"], ["dev"])
        if not parts or ".." in parts or taken:
            why = f"cannot mount at {guest}: write another absolute path, as /mnt"
            raise BadParameter(why, param_hint="--mount")
    files = {tuple(p for p in guest.split("/") if p) for _, guest in values.get("file", ())}
    for _, guest, _ in values.get("mount", ()):
        parts = [part for part in guest.split("/") if part not in ("", ".")]
        if any(tuple(parts[: n + 1]) in files for n in range(len(parts))):
            why = f"cannot mount at {guest}: a --file is in the way"
            raise BadParameter(why, param_hint="--mount")
    return tuple(values.get("mount", ()))


def guest_files(values: Mapping[str, Any]) -> dict[str, bytes]:
    """Contents of every --file. Raises BadParameter for one that cannot be read."""
    from toykernel.host_files import read_regular

    files: dict[str, bytes] = {}
    for host, guest in values["file"]:
        try:
            files[guest] = read_regular(host)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadParameter(f"cannot read {host}: {reason}", param_hint="--file") from None
    refuse_clashes(list(files))
    return files


def refuse_clashes(paths: list[str]) -> None:
    """Raises BadParameter for a guest path that is a directory's, or goes through a file or `..`."""
    names = [tuple(part for part in path.split("/") if part not in ("", ".")) for path in paths]
    devices = [("dev", name) for name in DEVICES]
    for path, parts in zip(paths, names, strict=True):
        above = {other[:end] for other in (*names, *devices) for end in range(len(other))}
        if not parts or ".." in parts or parts in FOLDERS or parts[0] == "proc":
            why = "that name is taken or is none; write the path of a new file, as /bin/true"
        elif parts[:2] in devices:
            why = f"/dev/{parts[1]} is a device"
        elif parts in above:
            why = "it is the directory of another file"
        elif names.count(parts) > 1:
            why = "two files want this name"
        else:
            continue
        raise BadParameter(f"cannot put a file at {path}: {why}", param_hint="--file")
