"""Names a prepared data set by what its records depend on."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from jaxens.data.reading import PhotoError, read_photo
from jaxens.errors import UserError


def cache_key(
    tables: Iterable[Path], photos: Iterable[str | Path], root: Path, text: str = ""
) -> str:
    """Returns a hash of the content of tables, and of the size and time of other files.

    The content of all photos would take too long to read each time the data set is opened.

    Args:
        tables: Paths of existing files.
        photos: Paths of photos, masks and so on; missing ones count as such.
        root: The folder, which no table may lead out of.
        text: What else the records depend on, such as the names of files.

    Raises:
        UserError: If a table is outside of the folder, or is a pipe or a device.
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape"))
    for path in tables:
        try:
            content = read_photo(path, root)
        except PhotoError as error:
            raise UserError(f"{path} {error}") from None
        digest.update(path.name.encode() + hashlib.sha256(content).digest())
    for file in photos:
        digest.update(f"{_size_and_time(file)},".encode())
    return digest.hexdigest()[:16]


def _size_and_time(file: str | Path) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns
