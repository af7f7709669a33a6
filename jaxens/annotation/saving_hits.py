"""Writes how often arrows hit into a folder, unless it holds the hits of something else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxens.annotation.hits import hits_table, measure_hits, reliability_figure
from jaxens.data.progress import Progress, no_progress
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.checksums import weights_checksum
from jaxens.evaluation.settings import MethodSettings
from jaxens.files import lock, write_text
from jaxens.tables import Table
from jaxens.untrusted import check_same_results
from jaxens.viz.files import save

CHOICES = "hits.json"


def hits_into(
    folder: Path,
    ensemble: Ensemble,
    split: Split,
    methods: Sequence[str],
    *,
    origin: Mapping[str, str],
    settings: MethodSettings,
    background: UInt8[np.ndarray, "baseline height width 3"] | None = None,
    progress: Progress = no_progress,
) -> Table:
    """Measures how often arrows hit, and writes a table and a figure into a folder.

    Args:
        folder: Gets `hits.csv`, `reliability.png` and `hits.json`, what the hits depend on.
        ensemble: As for `measure_hits`, and so are the arguments that are not named here.
        split: See `measure_hits`.
        methods: See `measure_hits`.
        origin: Where the ensemble and the images come from, for `hits.json`.
        settings: See `measure_hits`.
        background: See `measure_hits`.
        progress: See `measure_hits`.

    Raises:
        UserError: If the folder holds hits of something else, or is being written.
    """
    choices = {
        **origin,
        "weights_crc32": weights_checksum(ensemble),
        "methods": list(methods),
        "images": list(split.ids),
        **settings.choices(),
    }
    with lock(folder):
        what = "holds hits by other methods or settings, on other images, or of another ensemble"
        check_same_results(folder / CHOICES, choices, what)
        hits = measure_hits(
            ensemble, split, methods, settings=settings, background=background, progress=progress
        )
        table = hits_table(hits)
        write_text(folder / CHOICES, json.dumps(choices, indent=2))
        write_text(folder / "hits.csv", table.to_csv())
        save(reliability_figure(hits), folder / "reliability.png")
    return table
