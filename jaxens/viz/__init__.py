"""Drawing: arrays in, Matplotlib figures out."""

import io
from pathlib import Path

from matplotlib.figure import Figure

from jaxens.files import write_bytes


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG, whole or not at all, and returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    write_bytes(path, file.getvalue())
    return path
