"""Texts of figures, which may hold names from files."""

from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from jaxens.names import escaped, shorten
from jaxens.viz.fonts import families, undrawable

LONGEST_LINE = (
    300  # characters; more would not be readable, and Matplotlib takes minutes to lay out
)


def drawable(text: str) -> str:
    """Returns a text to draw: lines that are not too long, with escapes for what no font has."""
    lines = "\n".join(shorten(line, LONGEST_LINE) for line in text.split("\n"))
    missing = undrawable(lines)
    return "".join(escaped(letter) if letter in missing else letter for letter in lines)


def wrapped(text: str, width: int) -> list[str]:
    """Returns the lines of a text to draw; a word that is too long is broken between letters.

    An escape, for a letter that no font has, is one letter.

    Args:
        text: Any text; its spaces and line ends become single spaces.
        width: Characters of a line.
    """
    missing = undrawable(text)
    lines: list[str] = []
    line = ""
    for word in shorten(text, LONGEST_LINE).split():
        letters = [escaped(letter) if letter in missing else letter for letter in word]
        whole = "".join(letters)
        if line and len(line) + 1 + len(whole) <= width:
            line += f" {whole}"
            continue
        if line:
            lines.append(line)
        line = ""
        for letter in letters:
            if line and len(line) + len(letter) > width:
                lines.append(line)
                line = ""
            line += letter
    if line:
        lines.append(line)
    return lines


def style_of(text: str) -> dict[str, Any]:
    """Returns arguments for Matplotlib that draw a text as it is.

    They name fonts for all of its characters, and say that a dollar sign is not a formula.
    """
    return {"fontfamily": families(text), "parse_math": False}


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
        shown = drawable(name)
        text.set(text=shown, **style_of(shown))
