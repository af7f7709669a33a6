"""Texts of figures, which may hold names from files."""

from typing import Any

from jaxens.names import shorten

LONGEST_LINE = 300  # letters; more would not be readable, and Matplotlib takes minutes to lay out
PLAIN: dict[str, Any] = {"parse_math": False}  # a dollar sign is no formula


def drawable(text: str) -> str:
    """Returns a text to draw: lines that are not too long, without invisible characters."""
    return "\n".join(shorten(line, LONGEST_LINE) for line in text.split("\n"))
