"""Reads the fields of a TOML file that a user wrote; an error names the file and the field."""

import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxens.errors import UserError, remedy
from jaxens.names import shorten
from jaxens.untrusted import read_text

_LONGEST = 500  # characters of what is wrong


class Fields:
    """One table of a TOML file."""

    def __init__(self, path: Path, raw: Mapping[str, Any], title: str = "") -> None:
        """Takes a parsed table.

        Args:
            path: The file.
            raw: The table.
            title: Its name, such as "parts.head"; empty for the whole file.
        """
        self.path, self.raw, self.title = path, raw, title

    @classmethod
    def of_file(cls, path: Path) -> "Fields":
        """Parses a file.

        Raises:
            UserError: If it can't be read, or is no TOML.
        """
        try:
            return cls(path, tomllib.loads(read_text(path)))
        except OSError as error:
            raise UserError(f"{path} can't be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            reason = shorten(str(error), 200)
            raise UserError(f"{path} is no TOML: {reason}: correct it") from None

    def wrong(self, key: str, what: str) -> NoReturn:
        """Raises an error about a field."""
        section = f", [{shorten(self.title)}]" if self.title else ""
        raise UserError(f"{self.path}{section}, {shorten(key)}: {shorten(what, _LONGEST)}")

    def check_keys(self, known: Sequence[str]) -> None:
        """Checks that there are no other fields than the known ones."""
        for key in self.raw:
            if key not in known:
                self.wrong(key, f"there is no such field: {remedy(key, known)}")

    def one_of(self, keys: Sequence[str], purpose: str) -> str:
        """Returns the one of some fields that is there.

        Args:
            keys: Names of fields.
            purpose: What they are for.
        """
        present = [key for key in keys if key in self.raw]
        if len(present) != 1:
            what = (
                f"{' and '.join(present)} exclude each other"
                if present
                else f"{purpose} is missing"
            )
            self.wrong(present[0] if present else keys[0], f"{what}: give one of {', '.join(keys)}")
        return present[0]

    def text(self, key: str, default: str = "") -> str:
        """Returns a field that is a text of at least one letter."""
        value = self.raw.get(key, default)
        if not isinstance(value, str) or (key in self.raw and not value):
            self.wrong(key, f"it should be a text, not {_shown(value)}")
        return value

    def flag(self, key: str) -> bool:
        """Returns a field that is true or false (the default)."""
        value = self.raw.get(key, False)
        if not isinstance(value, bool):
            self.wrong(key, f"it should be true or false, not {_shown(value)}")
        return value

    def number(self, key: str, default: float, least: float, below: float) -> float:
        """Returns a field that is a number in a range."""
        value = self.raw.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
            self.wrong(key, f"it should be a number of at least {least:g}, not {_shown(value)}")
        if value >= below:
            self.wrong(key, f"it should be below {below:g}, not {value:g}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Returns a field that is a text or a list of texts, as a list; empty if it is absent."""
        value = self.raw.get(key, [])
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(t, str) and t for t in texts):
            self.wrong(key, f"it should be a text or a list of texts, not {_shown(value)}")
        if len(set(texts)) < len(texts):
            self.wrong(key, "it names one twice: name each once")
        return tuple(texts)

    def values(self, key: str) -> tuple[int | str, ...]:
        """Returns a field that lists whole numbers, or colors such as "#ff0000"."""
        value = self.raw.get(key, [])
        values = value if isinstance(value, list) else [value]
        for each in values:
            number = isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 2**31
            if not number and not (isinstance(each, str) and _is_color(each)):
                self.wrong(
                    key, f'it should list whole numbers, or colors as "#ff0000", not {_shown(each)}'
                )
        if len({type(each) for each in values}) > 1:
            self.wrong(key, "it mixes numbers and colors: give one kind")
        return tuple(values)

    def path_below(self, key: str, value: str) -> str:
        """Returns a relative path, or a pattern of one, that stays in the folder."""
        parts = value.replace("\\", "/").split("/")
        if len(value) > 1000 or any(unicodedata.category(c) == "Cc" for c in value):
            self.wrong(key, f"{_shown(value)} is not a path: give one below the folder")
        if value.startswith(("/", "~")) or ".." in parts or ":" in parts[0]:
            self.wrong(key, f"{_shown(value)} leads out of the folder: give a path below it")
        return "/".join(part for part in parts if part not in ("", "."))

    def table(self, key: str) -> "Fields":
        """Returns a field that is a table; empty if it is absent."""
        value = self.raw.get(key, {})
        title = f"{self.title}.{key}" if self.title else key
        if not isinstance(value, dict):
            self.wrong(key, f"it should be a table, [{title}], not {_shown(value)}")
        return Fields(self.path, value, title)


def _is_color(text: str) -> bool:
    return (
        len(text) == 7 and text[0] == "#" and all(c in "0123456789abcdefABCDEF" for c in text[1:])
    )


def _shown(value: Any) -> str:
    return shorten(repr(value))
