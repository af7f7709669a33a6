"""Reads files that a stranger may have written: regular ones, of some size, inside of a folder."""

import itertools
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from jaxens.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_MOST_BYTES = 2**28  # the log of a million epochs is smaller
_MOST_OF_ARRAYS = 2**32  # bytes
_DEEPEST = 50  # lists and objects of JSON inside of one another


def open_regular(path: Path) -> BinaryIO:
    """Opens a file to read its bytes.

    Raises:
        OSError: If it is missing, or no regular file: a pipe or a device may never end.
    """
    if path.exists() and not path.is_file():
        raise OSError(None, "it is not a regular file", str(path))
    return path.open("rb")


def read_bytes(path: Path) -> bytes:
    """Returns the content of a file.

    Raises:
        OSError: As `open_regular`.
        ValueError: If it is larger than 256 MB.
    """
    with open_regular(path) as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError("it is larger than 256 MB")
    return content


def read_text(path: Path) -> str:
    """Returns the text of a file, without a byte-order mark.

    Raises:
        OSError: As `read_bytes`.
        ValueError: As `read_bytes`, or if it is not UTF-8.
    """
    return read_bytes(path).decode("utf-8-sig")


def parse_json(text: str) -> Any:
    """Returns the value of a JSON text.

    Raises:
        ValueError: If it is not valid, or nested too deeply.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [value]
    for _ in range(_DEEPEST):
        nested = [each for each in level if isinstance(each, dict | list)]
        level = [e for each in nested for e in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return value
    raise ValueError("it is nested too deeply")


def read_arrays(path: Path) -> dict[str, "np.ndarray"]:
    """Returns the arrays of an `.npz` file, by name. No code in it is run.

    Raises:
        OSError: As `open_regular`.
        ValueError: If it is damaged, or its arrays take more than 4 GB.
    """
    import numpy as np

    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:  # `np.load` reads other formats too
                size = sum(entry.file_size for entry in archive.infolist())
            if size <= _MOST_OF_ARRAYS:
                file.seek(0)
                with np.load(file, allow_pickle=False) as entries:
                    arrays = dict(entries)
        # zipfile, zlib and NumPy raise many kinds of exceptions for damaged files.
        except Exception as error:
            raise ValueError(f"it is damaged ({type(error).__name__}: {error})") from None
    if size > _MOST_OF_ARRAYS:
        raise ValueError("its arrays take more than 4 GB")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy returns other members of the file as bytes
            raise ValueError(f"{name!r} is not an array")
    return arrays


def is_inside(path: Path, folder: Path) -> bool:
    """Returns whether a path, links followed, is in a folder or is that folder."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def check_tree(path: Path, folder: Path) -> None:
    """Checks that a path and everything below it are files and folders inside of a folder.

    Args:
        path: A file or folder; it may be missing.
        folder: What the user named.

    Raises:
        UserError: If something is a pipe or a device, or a link that leads out.
    """
    below = (Path(at, name) for at, *names in os.walk(path) for name in itertools.chain(*names))
    for each in itertools.chain([path], below):
        if not is_inside(each, folder):
            raise UserError(f"{each} leads out of {folder}: remove it, or name the real folder")
        try:
            mode = each.stat().st_mode
        except OSError:  # missing, or removed in the meantime
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise UserError(f"{each} is not a regular file, but a pipe or a device: remove it")


def check_same_results(
    path: Path, content: Any, what: str, part: Callable[[Any], Any] = lambda content: content
) -> None:
    """Checks that a folder holds no results, or results of the same thing.

    Args:
        path: A JSON file of the folder that says what the results are of; it may be missing.
        content: What they will be of: a value for JSON.
        what: For the message: what is wrong with the folder, such as "has results of other images".
        part: Takes the value in the file, and returns what is compared with `content`.

    Raises:
        UserError: If it holds other results, or the file can't be read.
    """
    remedy = "name another `out`, or remove"
    try:
        before = part(parse_json(read_text(path)))
    except FileNotFoundError:
        return
    except (OSError, ValueError, LookupError, TypeError):
        raise UserError(f"{path} can't be read: {remedy} {path.parent}") from None
    if before != json.loads(json.dumps(content)):
        raise UserError(f"{path.parent} {what} (see {path.name}): {remedy} it")
