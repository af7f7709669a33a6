"""Annotations as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from jaxens.annotation.rules import Rules
from jaxens.annotation.schema import VERSION
from jaxens.annotation.sightings import Annotation, Sighting
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.checksums import weights_checksum
from jaxens.evaluation.settings import MethodSettings
from jaxens.untrusted import check_same_results

NAME = "annotations.json"


def origin_of(
    ensemble: Ensemble, origin: Mapping[str, Any], against: str | None, settings: MethodSettings
) -> dict[str, Any]:
    """Returns what annotations depend on, other than images and rules, for `to_json`.

    Args:
        ensemble: The ensemble.
        origin: Where it is from, such as its run.
        against: As for `annotate`.
        settings: As for `annotate`.
    """
    return {
        **origin,
        "weights_crc32": weights_checksum(ensemble),
        "against": against,
        "settings": settings.choices(),
    }


def check_folder(
    folder: Path, names: Sequence[str], rules: Rules, origin: Mapping[str, Any] | None = None
) -> None:
    """Checks that a folder has no annotations of other images, by other rules or another run.

    Args:
        folder: Where `to_json` will be written as `NAME`.
        names: Of the images.
        rules: As for `to_json`.
        origin: As for `to_json`.

    Raises:
        UserError: If it has some.
    """
    check_same_results(
        folder / NAME,
        [list(names), asdict(rules), dict(origin or {})],
        "has annotations of other images, by other rules or settings, or of another ensemble",
        _subject,
    )


def _subject(content: Any) -> list[Any]:
    """Returns what annotations are of, from what `to_json` wrote."""
    return [[image["name"] for image in content["images"]], content["rules"], content["origin"]]


def to_json(
    annotations: Sequence[Annotation], rules: Rules, origin: Mapping[str, Any] | None = None
) -> str:
    """Returns annotations as JSON that fits `SCHEMA`.

    Args:
        annotations: From `annotate`.
        rules: The rules that `annotate` used.
        origin: What else the annotations depend on, such as the run, its weights and the settings:
            values for JSON.
    """
    content = {
        "version": VERSION,
        "origin": dict(origin or {}),
        "rules": asdict(rules),
        "images": [
            {
                "name": each.name,
                "prediction": each.prediction,
                "probability": _number(each.probability),
                "look_alike": each.look_alike,
                "sentence": each.sentence,
                "sightings": [_sighting(sighting) for sighting in each.sightings],
                "left_out": [
                    _sighting(sighting) | {"reason": _reason(sighting, rules)}
                    for sighting in each.left_out
                ],
            }
            for each in annotations
        ],
    }
    return json.dumps(content, indent=2, allow_nan=False)


def _reason(sighting: Sighting, rules: Rules) -> str:
    if sighting.certainty < rules.drawn:
        return f"fewer than {rules.drawn:.0%} of the members point near its tip"
    return f"there are more than {rules.sightings} sightings"


def _sighting(sighting: Sighting) -> dict[str, Any]:
    return {
        "task": sighting.task,
        "class": sighting.target,
        "label": sighting.label,
        "parts": list(sighting.parts),
        "probability": sighting.probability,
        "tip": _numbers(sighting.tip),
        "member_tips": [_numbers(tip) for tip in sighting.member_tips],
        "spread": _number(sighting.spread),
        "box": _numbers(sighting.box),
        "certainty": sighting.certainty,
        "uncertain": sighting.uncertain,
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(float(value)) for value in values]


def _number(value: float) -> float | None:
    """Rounds to a hundred-thousandth of an image; JSON has no NaN."""
    return round(value, 5) if math.isfinite(value) else None
