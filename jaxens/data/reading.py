"""Reads files that may be anything: no device, no pipe, and none outside of a folder."""

import stat
from pathlib import Path

from jaxens.names import encodable
from jaxens.untrusted import is_inside

MAX_BYTES = 2**30  # of a photo


class PhotoError(ValueError):
    """A photo that can't be used. The message follows its name: "is damaged"."""


class OutsideError(PhotoError):
    """A path that leads out of the folder that the user named."""


def read_photo(path: Path, folder: Path | None = None) -> bytes:
    """Returns the content of a file.

    Args:
        path: The file, or a link to it.
        folder: The file must be in it, links followed; None allows any place.

    Raises:
        OutsideError: If the file is not in `folder`.
        PhotoError: If it can't be read, is not a file (but a pipe or a device, which may never
            end), or is larger than a gigabyte.
    """
    check_inside(path, folder)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError("is not a file" if path.is_dir() else "is a pipe or a device")
        if status.st_size > MAX_BYTES:
            raise PhotoError("has more than a gigabyte: make it smaller")
        return path.read_bytes()
    except OSError as error:
        raise PhotoError(f"can't be read: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, PhotoError):
            raise
        raise PhotoError("has a name that no file can have") from None  # a null character


def check_inside(path: Path, folder: Path | None) -> None:
    """Raises `OutsideError` if a path, links followed, is not in a folder."""
    try:
        if folder is None or is_inside(path, folder):
            return
    except ValueError:  # a null character
        return
    raise OutsideError(f"leads out of {printable(folder)}: name the real folder, or copy the file")


def printable(name: str | Path) -> str:
    """Returns a file name as text: bytes that are not UTF-8 become `\\xff`."""
    return encodable(str(name))


def name_of(path: Path, root: Path) -> str:
    """Returns the path of a file below the root, for messages and as an id."""
    return printable(path.relative_to(root).as_posix())
