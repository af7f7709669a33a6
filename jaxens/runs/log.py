"""The lines of metrics.jsonl: one per epoch, and a last one with the held-out scores."""

import json
import logging
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from jaxens.runs.records import check
from jaxens.untrusted import parse_json, read_bytes

log = logging.getLogger(__name__)

_SLACK = 1e-6  # of scores, for rounding
_MOST_LOSS = 1e30  # what is drawn has to fit a float32


class Score(TypedDict):
    """`jaxens.ensemble.quality.Quality.as_dict`."""

    task: str
    measure: Literal["accuracy", "AUC"]
    members: list[float]
    ensemble: float
    chance: float
    baseline: float | None
    mean: float


class EpochLine(TypedDict):
    """What is logged after an epoch.

    A member that has diverged has no loss, but the step at which it diverged. Others have a loss
    and no step.
    """

    epoch: int
    step: int
    loss: list[float | None]
    diverged_at: list[int | None]
    member_images_per_second: float
    val: dict[str, Score]


class FinalLine(TypedDict):
    """What is logged at the end: the scores of the best checkpoint."""

    test: dict[str, Score]
    diverged_at: list[int | None]


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
        raise ValueError("it is not an object")
    expected = numbers.pop("crc32", None)
    check(numbers, FinalLine if "test" in numbers else EpochLine)
    if expected != _checksum(numbers):
        raise ValueError("its checksum differs")
    return numbers


def misfit(line: Mapping[str, Any], tasks: Collection[str], members: int, baseline: bool) -> str:
    """Says why a line is not of a run; "" if it is.

    Args:
        line: From `from_line`.
        tasks: Names of the tasks of the run.
        members: How many the run has, without the baseline.
        baseline: Whether the run has a baseline, one more member that is trained on all images.
    """
    scores = line["test"] if "test" in line else line["val"]
    if scores.keys() != set(tasks) or any(name != of["task"] for name, of in scores.items()):
        return "its tasks are not those of the run"
    for score in scores.values():
        if len(score["members"]) != members or (score["baseline"] is not None) != baseline:
            return "it has scores of other members"
        numbers = [*score["members"], *(score[name] for name in ("ensemble", "chance", "mean"))]
        numbers += [score["baseline"]] * baseline
        if any(number < -_SLACK or number > 1 + _SLACK for number in numbers):
            return "a score is not from 0 to 1"
    if line.get("epoch", 1) < 1:
        return "its epoch is not 1 or more"
    return _misfit_of_losses(line, members + baseline)


def _misfit_of_losses(line: Mapping[str, Any], count: int) -> str:
    steps = line["diverged_at"]
    if len(steps) != count:
        return "it has steps of other members"
    if any(not 0 <= step < line.get("step", 2**31) for step in steps if step is not None):
        return "a member diverged at a step that was not taken"
    losses = line.get("loss", [0.0 if step is None else None for step in steps])
    if len(losses) != count:
        return "it has losses of other members"
    if any((loss is None) == (step is None) for loss, step in zip(losses, steps, strict=True)):
        return "it has a loss of a diverged member, or lacks one of another"
    too_large = any(abs(loss) > _MOST_LOSS for loss in losses if loss is not None)
    return "a loss is too large" if too_large else ""


def read_lines(
    path: Path, wrong: Callable[[dict[str, Any]], str] = lambda line: ""
) -> list[dict[str, Any]]:
    """Returns the lines of a log; a damaged one is left out with a warning.

    Args:
        path: The file; without one, there are no lines.
        wrong: Says why a line does not belong to the run; "" if it does.
    """
    content = read_bytes(path) if path.is_file() else b""
    *lines, half = content.split(b"\n")
    read = []
    for number, line in enumerate(lines, start=1):
        try:
            numbers = from_line(line)
            if why := wrong(numbers):
                raise ValueError(why)
            read.append(numbers)
        except ValueError as error:
            log.warning(f"{path}: line {number} is damaged ({error}) and left out")
    if half:
        log.warning(f"{path}: line {len(lines) + 1} is half-written and left out")
    return read


def _checksum(numbers: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(numbers).encode())
