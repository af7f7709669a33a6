"""Reads a run's JSON files, and checks that their values have the types that they should."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from jaxens.errors import UserError
from jaxens.untrusted import parse_json, read_text

_MOST = 2**63  # above whole numbers: larger ones fit no array
_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


def read_json(path: Path, kind: Any, remedy: str) -> Any:
    """Returns the value in a JSON file.

    Args:
        path: The path of the file.
        kind: Its type: see `check`.
        remedy: What the user can do about a file that can't be read.

    Raises:
        UserError: Names the file, the place in it, and what is wrong.
    """
    try:
        value = parse_json(read_text(path))
        check(value, kind)
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}): {remedy}") from None
    except ValueError as error:
        raise UserError(f"{path} can't be read: {error}: {remedy}") from None
    return value


def check(value: Any, kind: Any, where: str = "") -> None:
    """Checks the type of a JSON value.

    Args:
        value: From `parse_json`.
        kind: A type: text, numbers, flags, None, `Literal`, a union, a list or tuple of any
            length, a `dict` by name, a `TypedDict`, or a dataclass of these.
        where: The place of the value, for messages.

    Raises:
        ValueError: Names the first place with another type.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) or is_typeddict(kind):
        _check_fields(value, kind, where)
    elif origin in (list, tuple):
        _expect(isinstance(value, list), value, "a list", where)
        for i, entry in enumerate(value):
            check(entry, inner[0], f"{where}[{i}]")
    elif origin is dict:
        _expect(isinstance(value, dict), value, "an object", where)
        for name, entry in value.items():
            check(entry, inner[1], f"{where}.{name}")
    elif origin is Literal:
        choices = ", ".join(map(str, inner))
        _expect(isinstance(value, str) and value in inner, value, f"one of {choices}", where)
    elif inner:  # a union of None and one other type
        if value is not None:
            check(value, next(each for each in inner if each is not type(None)), where)
    elif kind is bool:
        _expect(isinstance(value, bool), value, _WORDS[bool], where)
    else:
        number = kind in (int, float) and not isinstance(value, bool)
        fits = isinstance(value, int if kind is int else int | float) if number else False
        if fits and isinstance(value, int):
            _expect(abs(value) < _MOST, value, "a number of 64 bits", where)
        _expect(fits or (kind is str and _is_text(value)), value, _WORDS[kind], where)


def wrong_tasks(info: Any) -> str:
    """Says what is wrong with the tasks of an info, a JSON value; "" if nothing is."""
    tasks = info["tasks"]
    names = [task["name"] for task in tasks]
    wrong = ""
    if not tasks:
        wrong = "it has no tasks"
    elif len(set(names)) < len(names):
        wrong = "it has two tasks of one name"
    for task in tasks:
        if not task["classes"] or len(task["classes"]) != len(task["parts"]):
            wrong = f"task {task['name']!r} has {len(task['classes'])} classes and the parts of "
            wrong += f"{len(task['parts'])}"
    return wrong


def difference(one: Any, other: Any, where: str = "") -> str | None:
    """Returns the first difference of two JSON values, in words; None if they are equal."""
    if isinstance(one, Mapping) and isinstance(other, Mapping) and one.keys() == other.keys():
        pairs = [(f"{where}.{name}", one[name], other[name]) for name in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{where}[{i}]", *both) for i, both in enumerate(zip(one, other, strict=True))]
    else:
        if one == other:
            return None
        if isinstance(one, list) and isinstance(other, list):
            return f"{_place(where)} has {len(one)} entries, not {len(other)}"
        return f"{_place(where)} is {_shown(one)}, not {_shown(other)}"
    return next(filter(None, (difference(a, b, place) for place, a, b in pairs)), None)


def _check_fields(value: Any, kind: Any, where: str) -> None:
    _expect(isinstance(value, dict), value, "an object", where)
    fields = get_type_hints(kind)
    if is_typeddict(kind):
        needed = kind.__required_keys__
    else:  # `Info.to_json` omits a flag that has its default
        needed = {f.name for f in dataclasses.fields(kind) if not isinstance(f.default, bool)}
    for name in fields:
        if name in value:
            check(value[name], fields[name], f"{where}.{name}")
        elif name in needed:
            raise ValueError(f"{_place(where)} lacks {name}")
    for name in value:
        if name not in fields:
            raise ValueError(f"{_place(where)} has an unknown {_shown(name)}")


def _expect(fits: bool, value: Any, words: str, where: str) -> None:
    if not fits:
        raise ValueError(f"{_place(where)} is {_shown(value)}, not {words}")


def _is_text(value: Any) -> bool:
    """Returns whether a value is text that can be written: JSON may hold half a character."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _place(where: str) -> str:
    return where.removeprefix(".") or "it"


def _shown(value: Any) -> str:
    """Returns a value in a few characters; a large one by its kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:36]} ..."
