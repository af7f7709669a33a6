"""Files that are written whole or not at all."""

import os
from pathlib import Path

from jaxens.names import file_name


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all; what is no UTF-8 becomes an escape."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes next to the file, then renames, so that the file is whole or absent."""
    temporary = path.with_name(f".{file_name(path.name)}.{os.getpid()}")  # of any length
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
