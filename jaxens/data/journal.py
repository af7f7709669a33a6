"""Keeps what was read of each photo on disk, so that an interrupted preparation goes on.

The photos themselves are not kept: reading them again is fast, decoding them and their masks is
not.
"""

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxens.data.findings import MaskSeen, Problem
from jaxens.data.schema import Example
from jaxens.untrusted import open_regular


@dataclass
class Read:
    """What was read of one photo; no example if the photo can't be used."""

    example: Example | None = None
    problems: list[Problem] = field(default_factory=list)
    masks: list[MaskSeen] = field(default_factory=list)


class Journal:
    """A file with a line for each photo of a split, in their order.

    Several processes must not write it at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, ids: Sequence[str]) -> list[str]:
        """Returns the lines of the first photos, and cuts off what follows the last whole line.

        Args:
            ids: The ids of all photos. A line of another photo counts as damaged.
        """
        try:
            with open_regular(self.path) as file:
                whole = list(_whole(file, ids))
        except OSError:  # missing, most often
            whole = []
        if whole:
            with self.path.open("r+b") as file:
                file.truncate(sum(len(line) for line, _ in whole))
        else:
            self.path.unlink(missing_ok=True)
        return [text for _, text in whole]

    def add(self, id: str, read: Read) -> None:
        """Appends a line. It is whole even if the process is killed right afterwards."""
        text = json.dumps({"id": id} | _to_json(read))
        with self.path.open("ab") as file:
            file.write(f"{zlib.crc32(text.encode()):08x} {text}\n".encode())

    def remove(self) -> None:
        """Removes the file."""
        self.path.unlink(missing_ok=True)


def parse(line: str, photo: Callable[[], bytes]) -> Read:
    """Returns what a line of the journal says of a photo.

    Args:
        line: From `Journal.lines`.
        photo: Returns the content of the file. It is not called if the photo can't be used.
    """
    entry = json.loads(line)
    read = Read(
        problems=[Problem(*each) for each in entry["problems"]],
        masks=[MaskSeen(*each) for each in entry["masks"]],
    )
    if (fields := entry["example"]) is not None:
        mask = fields["mask"]
        read.example = Example(
            id=entry["id"],
            image=photo(),
            points=np.array(fields["points"], np.float32).reshape(-1, 2),
            box=np.array(fields["box"], np.float32),
            labels={
                name: np.array(label, np.int8 if isinstance(label, list) else np.int32)
                for name, label in fields["labels"].items()
            },
            mask=None if mask is None else base64.b64decode(mask),
        )
    return read


def _to_json(read: Read) -> dict[str, Any]:
    example = read.example
    return {
        "problems": read.problems,
        "masks": read.masks,
        "example": example
        and {
            "points": example.points.tolist(),
            "box": example.box.tolist(),
            "labels": {name: np.asarray(label).tolist() for name, label in example.labels.items()},
            "mask": None if example.mask is None else base64.b64encode(example.mask).decode(),
        },
    }


def _whole(file: IO[bytes], ids: Sequence[str]) -> Iterator[tuple[bytes, str]]:
    """Yields lines and their texts, until one is damaged or cut off."""
    for line, id in zip(file, ids):  # noqa: B905 - mostly fewer lines than photos
        checksum, _, text = line.partition(b" ")
        if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text[:-1]):
            return
        if json.loads(text)["id"] != id:
            return
        yield line, text.decode()
