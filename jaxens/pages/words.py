"""An evaluation in words: text alternatives of its figures, and the choices behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxens.attribution import METHODS
from jaxens.evaluation.examples import RANKS
from jaxens.metrics import METRICS
from jaxens.names import shorten, visible
from jaxens.pages.ranked import Ranked
from jaxens.pages.sheets import Row


def sizes(rows: Sequence[Row]) -> str:
    """Returns the first and the last point of every curve of a question."""
    parts = []
    for key in dict.fromkeys((row["metric"], row["method"]) for row in rows):
        points = [row for row in rows if (row["metric"], row["method"]) == key]
        first, last = points[0], points[-1]
        parts.append(
            f"{key[0]} of {key[1]} from {float(first['mean']):.3f} with {first['members']} to "
            f"{float(last['mean']):.3f} with {last['members']} members"
        )
    return "Scores of the mean map by number of members: " + "; ".join(parts) + "."


def thresholds(rows: Sequence[Row]) -> str:
    """Returns the best point of every curve of the IoU of a question."""
    parts = []
    for method in dict.fromkeys(row["method"] for row in rows):
        key = METRICS["iou"].title, method
        points = [r for r in rows if (r["metric"], r["method"]) == key and r["ensemble"] != "nan"]
        if points:
            best = max(points, key=lambda row: float(row["ensemble"]))
            parts.append(f"{method} {float(best['ensemble']):.3f} at {best['threshold']}")
    return (
        "IoU, precision and recall of the region of a map by its threshold; the best IoU of the "
        f"mean map: {'; '.join(parts)}."
    )


def ranked_images(ranked: Ranked | None) -> str:
    """Names the three images, and the methods that explain them."""
    if ranked is None:
        return ""
    images = ", ".join(f"{r} {shorten(n)}" for r, n in zip(RANKS, ranked.names, strict=True))
    methods = ", ".join(METHODS[method].title for method in ranked.scores)
    return (
        f"Three images by the {METRICS[ranked.metric].title} of their mean maps: {images}; each "
        f"with its mean map by {methods}. The table below has the scores."
    )


def members(ranked: Ranked | None) -> str:
    """Names the image whose maps of all members are drawn, and the methods."""
    if ranked is None:
        return ""
    methods = ", ".join(METHODS[method].title for method in ranked.scores)
    name = shorten(ranked.names[RANKS.index("median")])
    return f"The maps of every member, their mean and their spread on {name}, by {methods}."


def settings_lines(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the choices behind the scores, as names and values."""
    lines = []
    for name, value in settings.items():
        if isinstance(value, dict):
            lines += [(f"{name}: {inner}", each) for inner, each in value.items()]
        else:
            lines.append((name, value))
    return [(visible(name.replace("_", " ")), _value(value)) for name, value in lines]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return "–" if value is None or value == "" else shorten(str(value), 300)
