"""Output for a terminal or a file of any encoding, ASCII too."""

import codecs
import sys

from jaxens.names import visible

_ASCII = {"–": "-", "±": "+/-", "×": "x", "…": "...", "→": "->"}


def print_anything() -> None:
    """Lets this process print characters that its output can't hold: in ASCII, or as escapes."""
    codecs.register_error("jaxens", _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="jaxens")


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    characters = error.object[error.start : error.end]
    shown = "".join(_ASCII.get(c) or visible(c) for c in characters)
    return shown.encode("ascii", "backslashreplace").decode(), error.end
