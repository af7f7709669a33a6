"""The schema of annotations as JSON."""

from collections.abc import Mapping
from typing import Any

VERSION = 1


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _number(description: str, **limits: Any) -> dict[str, Any]:
    return {"type": ["number", "null"], "description": description, **limits}


def _fractions(count: int, description: str) -> dict[str, Any]:
    items = {"items": {"type": ["number", "null"]}, "minItems": count, "maxItems": count}
    return {"type": "array", "description": description, **items}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": dict(properties),
        "additionalProperties": False,
    }


def _list(items: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), "description": description}


_SHARE = {"minimum": 0, "maximum": 1}
_SIGHTING = {
    "task": _text("name of the task"),
    "class": {"type": "integer", "minimum": 0, "description": "its number in the task"},
    "label": _text("the class in words"),
    "parts": _list({"type": "string"}, "the parts that the class is about"),
    "probability": _number("of the class, by the calibrated ensemble", **_SHARE),
    "tip": _fractions(2, "x, y of the arrow's tip"),
    "member_tips": _list(_fractions(2, "x, y"), "tips of each member's own map"),
    "spread": _number("root mean square distance of the members' tips from the tip, in diagonals"),
    "box": _fractions(4, "left, top, right, bottom of the map's strongest region"),
    "certainty": _number("share of members within a tenth of the diagonal of the tip", **_SHARE),
    "uncertain": {"type": "boolean", "description": "whether the arrow is dashed"},
}
_REASON = _text("why it has no arrow: the members disagree, or there are too many sightings")

# JSON Schema, draft 2020-12. Points are fractions of the width and height of the square that the
# ensemble sees: of a photo, the largest one in its middle. They are null where a map shows nothing.
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        {
            "version": {"const": VERSION, "description": "of this schema"},
            "origin": {
                "type": "object",
                "description": "what made the annotations: the run, its checkpoint and the "
                "checksum of its weights, the look-alike that was named, and the settings",
            },
            "rules": {"type": "object", "description": "see jaxens.annotation.Rules"},
            "images": _list(
                _object(
                    {
                        "name": _text("path of a photo, or id in a data set"),
                        "prediction": _text("the predicted class"),
                        "probability": _number("of that class, by the calibrated ensemble"),
                        "look_alike": _text("the class that it is compared with"),
                        "sentence": _text("what is seen, in words"),
                        "sightings": _list(_object(_SIGHTING), "what arrows point at"),
                        "left_out": _list(
                            _object(_SIGHTING | {"reason": _REASON}), "what is seen without arrow"
                        ),
                    }
                ),
                "in the order of the photos",
            ),
        }
    ),
}
