"""Saves a figure."""

import io
import os
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from jaxens.files import write_bytes

# Without dates, the same figure gives the same bytes. The mark tells a figure from a photo.
_METADATA = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": "jaxens"}}


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Writes a figure to a file, whole or not at all, and returns the path.

    Args:
        figure: The figure.
        path: The target. Its suffix chooses the format (`.png`, `.pdf`, `.svg`, ...); PNG without
            a suffix. Missing folders are created.

    Returns:
        The path of the file.
    """
    path = Path(path)
    content = encode(figure, path.suffix[1:].lower() or "png")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)
    return path


def encode(figure: Figure, file_format: str) -> bytes:
    """Returns the content of a figure's file.

    Args:
        figure: The figure.
        file_format: Such as "png" or "svg".
    """
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "jaxens"}):
        figure.savefig(file, format=file_format, metadata=_METADATA.get(file_format))
    return file.getvalue()
