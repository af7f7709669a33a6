"""What a checkpoint holds: the names, types, shapes and checksums of its arrays."""

import json
import zlib
from collections.abc import Sequence
from typing import Any, TypedDict

import jax


class Contents(TypedDict):
    """What a checkpoint holds: its score, and each array's name, type, shape and checksum."""

    score: float
    arrays: dict[str, str]
    sums: list[int]


class Sealed(TypedDict):
    """The contents of a checkpoint, with their own checksum."""

    contents: Contents
    crc32: int


def fields_of(state: Any) -> dict[str, Any]:
    """Returns the fields of a named tuple or a dict that are not None.

    So checkpoints of runs without a frozen trunk have no field for it.
    """
    fields = state if isinstance(state, dict) else state._asdict()
    return {name: value for name, value in fields.items() if value is not None}


def contents_of(state: Any, score: float, sums: Sequence[int]) -> Contents:
    """Returns what a checkpoint of this state, with this score and these checksums, holds."""
    return {"score": score, "arrays": arrays_of(state), "sums": list(sums)}


def seal(contents: Contents) -> Sealed:
    """Returns contents with their own checksum."""
    text = json.dumps(contents, sort_keys=True)
    return {"contents": contents, "crc32": zlib.crc32(text.encode())}


def arrays_of(state: Any) -> dict[str, str]:
    """Returns the type and shape of each array, by its place."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): f"{leaf.dtype}{list(leaf.shape)}"
        for path, leaf in jax.tree.leaves_with_path(fields_of(state))
    }
