"""Finds fonts for letters that Matplotlib's font lacks: those of East Asia, and most emoji."""

import logging
from collections.abc import Collection
from functools import cache, lru_cache

from matplotlib import font_manager, rcParams

log = logging.getLogger(__name__)

_EMPTY = frozenset("\n\t \u200c\u200d")  # need no glyph
_BOXES = "Last Resort"  # Matplotlib's font of boxes for every letter


def families(text: str) -> list[str]:
    """Returns the font families that draw a text: the usual ones, and others for letters they lack.

    Args:
        text: Any text. Letters that no installed font has (see `undrawable`) are drawn as boxes.
    """
    return [*rcParams["font.family"], *_others(_lacking(text))[0]]


def undrawable(text: str) -> frozenset[str]:
    """Returns the letters of a text that no installed font has."""
    return _others(_lacking(text))[1]


def _lacking(text: str) -> frozenset[str]:
    """Returns the letters that the usual font lacks."""
    if text.isascii():
        return frozenset()
    usual = font_manager.findfont(font_manager.FontProperties())
    return _without(frozenset(text) - _EMPTY, usual)


@lru_cache(maxsize=1024)
def _others(letters: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """Returns installed font families that have these letters, and the letters that none has."""
    chosen: list[str] = []
    left = letters
    fonts = (font for font in font_manager.fontManager.ttflist if _BOXES not in font.name)
    for font in sorted(fonts, key=_unusual):
        if not left:
            break
        if font.name not in chosen and (fewer := _without(left, font.fname)) < left:
            chosen.append(font.name)
            left = fewer
    if left:
        _warn()
    return chosen, left


@cache
def _warn() -> None:
    log.warning(
        "no installed font has some letters of names: figures show their numbers, such as "
        r"\u9e1f; install a font that has them, such as Noto Sans CJK or Noto Emoji"
    )


def _unusual(font: font_manager.FontEntry) -> tuple[bool, bool, str]:
    """Puts upright fonts of usual weight first, in an order that does not change."""
    return font.style != "normal", str(font.weight) not in ("400", "normal", "regular"), font.fname


def _without(letters: Collection[str], path: str) -> frozenset[str]:
    """Returns the letters that a font does not have; all, if Matplotlib can't use the font."""
    try:
        font = font_manager.get_font(path)
        font.set_size(10, 72)  # fails for fonts of bitmaps, which most color emoji are
        return frozenset(letter for letter in letters if not font.get_char_index(ord(letter)))
    except (OSError, RuntimeError):
        return frozenset(letters)
