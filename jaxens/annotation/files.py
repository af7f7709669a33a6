"""Annotations as JSON, with a schema."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from jaxens.annotation.rules import Rules
from jaxens.annotation.sightings import Annotation, Sighting
from jaxens.untrusted import check_same

NAME = "annotations.json"
VERSION = 1
_FRACTION = {"type": ["number", "null"]}
_POINT = {"type": "array", "items": _FRACTION, "minItems": 2, "maxItems": 2}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}

# JSON Schema, draft 2020-12. Points are x, y and boxes left, top, right, bottom, as fractions of
# the image's width and height; null where a map shows nothing.
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["version", "run", "checkpoint", "rules", "images"],
    "properties": {
        "version": {"const": VERSION},
        "run": {"type": "string", "description": "name of the run directory"},
        "checkpoint": {"type": "string", "description": "such as: epoch 3, the best"},
        "rules": {"type": "object", "description": "see jaxens.annotation.Rules"},
        "images": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "name", "prediction", "probability", "look_alike", "sentence", "sightings",
                ],
                "properties": {
                    "name": {"type": "string"},
                    "prediction": {"type": "string"},
                    "probability": {"type": ["number", "null"]},
                    "look_alike": {"type": "string"},
                    "sentence": {"type": "string"},
                    "sightings": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": [
                                "task", "class", "label", "parts", "probability", "tip",
                                "member_tips", "box", "certainty", "uncertain",
                            ],
                            "properties": {
                                "task": {"type": "string"},
                                "class": {"type": "integer", "minimum": 0},
                                "label": {"type": "string"},
                                "parts": {"type": "array", "items": {"type": "string"}},
                                "probability": _SHARE,
                                "tip": _POINT,
                                "member_tips": {"type": "array", "items": _POINT},
                                "box": {
                                    "type": "array",
                                    "items": _FRACTION,
                                    "minItems": 4,
                                    "maxItems": 4,
                                },
                                "certainty": _SHARE,
                                "uncertain": {"type": "boolean"},
                            },
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip


def check_folder(
    folder: Path, names: Sequence[str], rules: Rules, run: str = "", checkpoint: str = ""
) -> None:
    """Checks that a folder has no annotations of other images, by other rules or another run.

    Args:
        folder: Where `to_json` will be written as `NAME`.
        names: Of the images.
        rules: As for `to_json`.
        run: As for `to_json`.
        checkpoint: As for `to_json`.

    Raises:
        UserError: If it has some.
    """
    check_same(
        folder / NAME,
        [list(names), asdict(rules), run, checkpoint],
        "has annotations of other images, or by other rules",
        _subject,
    )


def _subject(content: Any) -> list[Any]:
    """Returns what annotations are of, from what `to_json` wrote."""
    names = [image["name"] for image in content["images"]]
    return [names, content["rules"], content["run"], content["checkpoint"]]


def to_json(
    annotations: Sequence[Annotation], rules: Rules, run: str = "", checkpoint: str = ""
) -> str:
    """Returns annotations as JSON that fits `SCHEMA`.

    Args:
        annotations: From `annotate`.
        rules: The rules that `annotate` used.
        run: Name of the run directory of the ensemble.
        checkpoint: Of the run, such as "epoch 3, the best".
    """
    content = {
        "version": VERSION,
        "run": run,
        "checkpoint": checkpoint,
        "rules": asdict(rules),
        "images": [
            {
                "name": each.name,
                "prediction": each.prediction,
                "probability": _number(each.probability),
                "look_alike": each.look_alike,
                "sentence": each.sentence,
                "sightings": [_sighting(sighting) for sighting in each.sightings],
            }
            for each in annotations
        ],
    }
    return json.dumps(content, indent=2, allow_nan=False)


def _sighting(sighting: Sighting) -> dict[str, Any]:
    return {
        "task": sighting.task,
        "class": sighting.target,
        "label": sighting.label,
        "parts": list(sighting.parts),
        "probability": sighting.probability,
        "tip": _numbers(sighting.tip),
        "member_tips": [_numbers(tip) for tip in sighting.member_tips],
        "box": _numbers(sighting.box),
        "certainty": sighting.certainty,
        "uncertain": sighting.uncertain,
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(float(value)) for value in values]


def _number(value: float) -> float | None:
    """Rounds to a hundred-thousandth of an image; JSON has no NaN."""
    return round(value, 5) if math.isfinite(value) else None
