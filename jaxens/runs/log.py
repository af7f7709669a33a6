"""The lines of metrics.jsonl: one per epoch, and a last one with the held-out scores."""

import json
import logging
import zlib
from pathlib import Path
from typing import Any, TypedDict

from jaxens.runs.records import check
from jaxens.untrusted import parse_json, read_bytes

log = logging.getLogger(__name__)


class Score(TypedDict):
    """`jaxens.ensemble.quality.Quality.as_dict`."""

    task: str
    measure: str
    members: list[float]
    ensemble: float
    chance: float
    baseline: float | None
    mean: float


class EpochLine(TypedDict):
    """What is logged after an epoch."""

    epoch: int
    step: int
    loss: list[float]
    member_images_per_second: float
    val: dict[str, Score]


class FinalLine(TypedDict):
    """What is logged at the end."""

    test: dict[str, Score]


def to_line(numbers: dict[str, Any]) -> str:
    """Returns a line of the log: a JSON object that ends in its own checksum.

    A flipped bit is often a valid number.
    """
    return json.dumps(numbers | {"crc32": _checksum(numbers)}) + "\n"


def from_line(line: bytes) -> dict[str, Any]:
    """Reads what `to_line` wrote, without the checksum.

    Raises:
        ValueError: If the line is damaged.
    """
    numbers = parse_json(line.decode())
    if not isinstance(numbers, dict):
        raise ValueError("it is no object")
    expected = numbers.pop("crc32", None)
    check(numbers, FinalLine if "test" in numbers else EpochLine)
    if expected != _checksum(numbers):
        raise ValueError("its checksum differs")
    return numbers


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of a log; a damaged one is left out with a warning."""
    content = read_bytes(path) if path.is_file() else b""
    *lines, half = content.split(b"\n")
    read = []
    for number, line in enumerate(lines, start=1):
        try:
            read.append(from_line(line))
        except ValueError as error:
            log.warning(f"{path}: line {number} is damaged ({error}) and left out")
    if half:
        log.warning(f"{path}: line {len(lines) + 1} is half-written and left out")
    return read


def _checksum(numbers: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(numbers).encode())
