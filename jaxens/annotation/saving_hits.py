"""Writes how often arrows hit into a folder, unless it holds the hits of something else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jaxens.annotation.hits import Hits, hits_table, reliability_figure
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.checksums import weights_checksum
from jaxens.evaluation.settings import MethodSettings
from jaxens.files import write_text
from jaxens.untrusted import check_same
from jaxens.viz.files import save

CHOICES = "hits.json"


def choices_of(
    ensemble: Ensemble, split: Split, methods: Sequence[str], settings: MethodSettings
) -> dict[str, Any]:
    """Returns what hits depend on, as values for JSON; the arguments are those of `measure_hits`.

    How many images go through the model at once changes nothing.
    """
    chosen = {k: v for k, v in asdict(settings).items() if k != "images_at_once"}
    return {
        "weights_crc32": weights_checksum(ensemble),
        "methods": list(methods),
        "images": list(split.ids),
        **chosen,
    }


def check_folder(folder: Path, choices: Mapping[str, Any]) -> None:
    """Checks that a folder does not hold hits of something else.

    Args:
        folder: Where `save_hits` will write.
        choices: As for `save_hits`.

    Raises:
        UserError: If it does.
    """
    what = "holds hits by other methods or settings, on other images, or of another ensemble"
    check_same(folder / CHOICES, choices, what)


def save_hits(hits: Sequence[Hits], folder: Path, choices: Mapping[str, Any]) -> str:
    """Writes a table and a figure into a folder, and returns the table as Markdown.

    Args:
        hits: From `measure_hits`.
        folder: Gets `hits.csv`, `reliability.png` and `hits.json`.
        choices: What the hits depend on, as values for JSON.
    """
    shown = hits_table(hits)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / CHOICES, json.dumps(choices, indent=2))
    write_text(folder / "hits.csv", shown.to_csv())
    save(reliability_figure(hits), folder / "reliability.png")
    return shown.to_markdown()
