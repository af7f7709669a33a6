"""What a checkpoint holds: the names, types, shapes and checksums of its arrays."""

import json
import zlib
from typing import Any, TypedDict

import jax
import numpy as np


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


def contents_of(state: Any, score: float) -> Contents:
    """Returns what a checkpoint of this state and score holds."""
    return {"score": score, "arrays": arrays_of(state), "sums": sums_of(state)}


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


def sums_of(state: Any) -> list[int]:
    """Returns the CRC-32 of the bytes of each array, in the order of the leaves."""
    return [zlib.crc32(np.asarray(leaf).tobytes()) for leaf in jax.tree.leaves(state)]
