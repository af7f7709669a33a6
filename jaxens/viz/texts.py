"""Texts of figures, which may hold names from files."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from jaxens.names import shorten

LONGEST_LINE = 300  # letters; more would not be readable, and Matplotlib takes minutes to lay out
PLAIN: dict[str, Any] = {"parse_math": False}  # a dollar sign is no formula


@contextlib.contextmanager
def missing_letters() -> Iterator[None]:
    """Hides Matplotlib's warnings of letters that the font lacks, which are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def drawable(text: str) -> str:
    """Returns a text to draw: lines that are not too long, without invisible characters."""
    return "\n".join(shorten(line, LONGEST_LINE) for line in text.split("\n"))


def draw_legend(
    figure: Figure,
    handles: Sequence[Artist],
    names: Sequence[str],
    columns: int,
    place: Literal["lower center", "lower right"],
) -> None:
    """Draws a legend of a figure, below its panels."""
    labels = ["name"] * len(names)
    legend = figure.legend(handles, labels, loc=place, ncols=columns, fontsize=7, frameon=False)
    # Matplotlib leaves out a label that begins with an underscore, and reads $ as a formula.
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set(text=drawable(name), **PLAIN)
