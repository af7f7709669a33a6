"""Names from files (of classes, tasks, parts, images, files) as text to show, and as file names.

A name from a file may hold anything: line ends, codes that color a terminal or turn the direction
of writing, bytes that are no UTF-8, a million characters, or a path. What shows a name calls
`visible` or `shorten`; what writes a file of that name calls `file_name`.
"""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence

LONGEST = 60  # characters of a name that is shown
LONGEST_FILE = 100  # bytes of a file's name; systems allow 255
# The letters and signs that Windows-1252 has in place of Latin-1's control characters.
_WINDOWS = {
    code: letter
    for code in range(0x80, 0xA0)
    if (letter := bytes([code]).decode("cp1252", "ignore"))
}
_JOINERS = "\u200c\u200d"  # invisible, but words of Persian and Hindi need them


def visible(text: str, keep: str = "") -> str:
    r"""Returns a text with escapes, such as `\x1b`, for characters that can't be seen.

    These are control characters (line ends too), marks of the direction of writing, and
    surrogates, which stand for bytes that are no UTF-8.

    Args:
        text: Any text.
        keep: Characters that are left as they are, such as a line end.
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or _is_visible(c) else escaped(c) for c in text)


def encodable(text: str) -> str:
    r"""Returns a text that UTF-8 can hold: a byte of a file's name that is not UTF-8 is `\xff`."""

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if "\udc80" <= character <= "\udcff":  # a byte, see PEP 383
            return f"\\x{ord(character) - 0xDC00:02x}"
        return escaped(character)

    return re.sub("[\ud800-\udfff]", escape, text)


def as_text(text: str) -> str:
    """Returns a text whose bytes that are not UTF-8 were kept as surrogates (PEP 383) as it reads.

    It is read as UTF-8, or else as Windows-1252, in which old programs write.
    """
    if text.isascii():
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return text
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1").translate(_WINDOWS)


def _is_visible(character: str) -> bool:
    category = unicodedata.category(character)
    return character in _JOINERS or not (category[0] == "C" or category in ("Zl", "Zp"))


def escaped(character: str) -> str:
    r"""Returns the escape of a character, such as `\x1b`."""
    return character.encode("unicode_escape").decode()


def shorten(text: str, characters: int = LONGEST) -> str:
    """Returns a text on one line, as `visible` does; a long one without its middle.

    Args:
        text: Any text.
        characters: The most that are returned, at least 3.
    """
    # A text of a megabyte is cut first: to escape it takes seconds.
    ends = text if len(text) <= 2 * characters else text[:characters] + text[-characters:]
    shown = visible(ends)
    half = (characters - 1) // 2
    return shown if len(shown) <= characters else f"{shown[:half]}…{shown[-half:]}"


def file_name(text: str) -> str:
    """Returns a text as the name of one file or folder: never a path, hidden, or too long."""
    name = text.replace(": ", "-").replace(" ", "_")
    name = re.sub(r'[/\\:*?"<>|]', "-", visible(name[:LONGEST_FILE])).strip(".")
    if len(text) > LONGEST_FILE or len(name.encode()) > LONGEST_FILE:
        start = name.encode()[: LONGEST_FILE - 9].decode(errors="ignore")
        name = f"{start}-{_checksum(text)}"
    return name or "_"


def file_names(texts: Sequence[str]) -> list[str]:
    """Returns each text as the name of a file; different texts have different names."""
    names = [file_name(text) for text in texts]
    # Some file systems take A and a for the same name.
    count = Counter(name.casefold() for name in names)
    return [
        f"{name}-{_checksum(text)}" if count[name.casefold()] > 1 else name
        for name, text in zip(names, texts, strict=True)
    ]


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode(errors='surrogatepass')):08x}"
