"""Tells whether the folder of prepared records is as it was written.

A seal, the file `seal.json`, holds the size of every other file, and a hash of the small ones.
The large ones, the records, hold hashes themselves, which are checked when a record is read.
"""

import hashlib
import json
from pathlib import Path

from jaxens import files
from jaxens.untrusted import parse_json, read_text

NAME = "seal.json"


def seal(folder: Path) -> None:
    """Writes down what a finished folder holds; until then it counts as damaged."""
    files.write_text(folder / NAME, json.dumps(_content(folder), indent=1) + "\n")


def damage_of(folder: Path) -> str | None:
    """Returns what is wrong with a folder, in words; None if it is as it was sealed."""
    if not folder.is_dir():
        return "it is missing"
    try:
        expected = parse_json(read_text(folder / NAME))
        actual = _content(folder)
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError):
        return f"{NAME} can't be read"
    if not isinstance(expected, dict) or not expected:
        return f"{NAME} can't be read"
    for name, content in expected.items():
        if actual.get(name) != content:
            return f"{name} has changed" if name in actual else f"{name} is missing"
    return None


def _content(folder: Path) -> dict[str, str | int]:
    """Returns a hash of each JSON file, and the size of each other file."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".json"
        else path.stat().st_size
        for path in folder.iterdir()
        if path.is_file() and path.name != NAME
    }
