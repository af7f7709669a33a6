"""Tells URLs from paths."""

import os
import re

from jaxens.errors import UserError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::[A-Za-z][A-Za-z0-9+.-]+)*:/")  # C:/ is a drive


def is_url(place: str | os.PathLike[str]) -> bool:
    """Returns whether a text is a URL. If not, it is a local path.

    Raises:
        UserError: If it is a URL with one slash, as a `Path` of a URL is.
    """
    text = os.fspath(place)
    scheme = _URL.match(text)
    if scheme and not text.startswith("/", scheme.end()):
        raise UserError(f"{text} looks like a URL with one slash: name it as text, with ://")
    return scheme is not None


def check_local(name: str, place: str) -> None:
    """Checks that the place that an argument names is no URL.

    Raises:
        UserError: If it is one.
    """
    if is_url(place):
        raise UserError(f"`{name}` {place} is a URL: download it, and name a local file or folder")
