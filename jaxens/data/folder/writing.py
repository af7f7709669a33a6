"""Writes a `dataset.toml` as text."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any


def to_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns TOML text; nested tables are written inline."""
    texts = []
    for title, fields in sections.items():
        if fields:
            lines = [f"[{title}]"] if title else []
            texts.append(
                "\n".join(lines + [f"{key_of(k)} = {_value(v)}" for k, v in fields.items()])
            )
    return "\n\n".join(texts) + "\n"


def key_of(name: str) -> str:
    """Returns a name as a key of TOML, quoted if it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key_of(k)} = {_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, str):
        if "\\" in value and "'" not in value and value.isprintable():
            return f"'{value}'"
        text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Iterable):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)
