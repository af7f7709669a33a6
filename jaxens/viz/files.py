"""Saves a figure."""

import os
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from jaxens.files import replacing

# Without dates, the same figure gives the same bytes.
_NO_DATE = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Writes a figure to a file, whole or not at all, and returns the path.

    The figure is written next to the target and then renamed, so a reader never sees half a file.

    Args:
        figure: The figure.
        path: The target. Its suffix chooses the format (`.png`, `.pdf`, `.svg`, ...); PNG without
            a suffix. Missing folders are created.

    Returns:
        The path of the file.
    """
    path = Path(path)
    file_format = path.suffix[1:].lower() or "png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, rc_context({"svg.hashsalt": "jaxens"}):
        figure.savefig(partial, format=file_format, metadata=_NO_DATE.get(file_format))
    return path
