"""Which files of a run are the same here and at a URL, after a download or an upload."""

import contextlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypedDict

from jaxens.files import write_text
from jaxens.runs.records import check
from jaxens.runs.remote import RemoteFile, is_kept
from jaxens.untrusted import parse_json, read_text

CONFIG = "config.toml"
WHOLE = (CONFIG, "ensemble.json")  # a folder with one of these is a run or an export

State = tuple[int, int]  # of a local file: its size, and its time of change in nanoseconds


class Same(TypedDict):
    """A file that is the same here and there: its state here, and its version there."""

    size: int
    changed: int
    version: str


class Known(TypedDict):
    """What was there after the last transfer, and the names that a transfer was to change."""

    files: dict[str, Same]
    pending: list[str]


def read_known(path: Path) -> Known:
    """Reads what `write_known` wrote; nothing is known if the file is missing or damaged."""
    try:
        known = parse_json(read_text(path))
        check(known, Known)
    except (OSError, ValueError):
        return Known(files={}, pending=[])
    return known


def write_known(path: Path, files: Mapping[str, Same], pending: Collection[str] = ()) -> None:
    """Writes which files are the same, and the names that a transfer is to change."""
    write_text(path, json.dumps(Known(files=dict(files), pending=list(pending))))


def local_files(folder: Path) -> dict[str, State]:
    """Returns the state of each file of a run by its name, but for hidden and half ones."""
    states = {}
    for at, folders, names in os.walk(folder):
        folders[:] = filter(is_kept, folders)
        for path in (Path(at, name) for name in names if is_kept(name)):
            with contextlib.suppress(FileNotFoundError):  # removed in the meantime
                state = path.stat()
                states[path.relative_to(folder).as_posix()] = state.st_size, state.st_mtime_ns
    return states


def order(name: str) -> tuple[int, str]:
    """Orders uploads: the log before the checkpoints, and the checksums of each checkpoint last."""
    if "/" not in name:
        return (1 if name in WHOLE else 0), name
    return (3 if "/sums/" in name else 2), name


def without_unfinished(there: Mapping[str, RemoteFile]) -> dict[str, RemoteFile]:
    """Leaves out checkpoints without checksums: their upload was cut off."""
    steps = {name: tuple(name.split("/")[:2]) for name in there}
    whole = {step for name, step in steps.items() if "/sums/" in name}
    return {
        name: file
        for name, file in there.items()
        if steps[name][0] not in ("checkpoints", "interrupted") or steps[name] in whole
    }


def is_whole(names: Collection[str]) -> bool:
    """Returns whether files of these names are a run or an export."""
    return any(name in names for name in WHOLE)


def unchanged_files(local: Mapping[str, State], files: Mapping[str, Same]) -> set[str]:
    """Returns the names of the local files that have not changed since the last transfer."""
    return {
        name
        for name, state in local.items()
        if name in files and state == (files[name]["size"], files[name]["changed"])
    }


def same_files(local: Mapping[str, State], there: Mapping[str, RemoteFile]) -> dict[str, Same]:
    """Returns the local files that are also at the URL, as the same after a transfer.

    Args:
        local: The state of each local file.
        there: The files at the URL.
    """
    return {
        name: Same(size=size, changed=changed, version=there[name].version)
        for name, (size, changed) in local.items()
        if name in there
    }


def is_same(
    there: Mapping[str, RemoteFile], files: Mapping[str, Same], pending: Collection[str]
) -> bool:
    """Returns whether all is as it was, but for what a transfer from here was to change."""
    versions = {name: file.version for name, file in there.items()}
    before = {name: file["version"] for name, file in files.items()}
    names = {*versions, *before} - set(pending)
    return all(versions.get(name) == before.get(name) for name in names)
