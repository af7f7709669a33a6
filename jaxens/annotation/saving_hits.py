"""Writes how often arrows hit into a folder, unless it holds the hits of something else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxens.annotation.calibration import calibrate
from jaxens.annotation.hits import hits_table, reliability_figure
from jaxens.annotation.measuring import measure_hits
from jaxens.annotation.rules import Rules
from jaxens.data.progress import Progress, no_progress
from jaxens.data.source import DataSet, load
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.checksums import weights_checksum
from jaxens.evaluation.maps import background_images
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
    rules: Rules,
    data: DataSet,
    settings: MethodSettings,
    progress: Progress = no_progress,
) -> Table:
    """Measures how often arrows hit, and writes a table and a figure into a folder.

    Args:
        folder: Gets `hits.csv`, `reliability.png` and `hits.json`, what the hits depend on.
        ensemble: As for `measure_hits`, and so are the arguments that are not named here.
        split: See `measure_hits`.
        methods: See `measure_hits`.
        origin: Where the ensemble and the images come from, for `hits.json`.
        rules: See `measure_hits`.
        data: The data set that the ensemble was trained on. Its validation images calibrate the
            probabilities, and GradientSHAP starts from its training images.
        settings: See `measure_hits`.
        progress: See `measure_hits`.

    Raises:
        UserError: If the folder holds hits of something else, or is being written.
    """
    choices = {
        **origin,
        "weights_crc32": weights_checksum(ensemble),
        "methods": list(methods),
        "images": list(split.ids),
        "confidence": rules.confidence,
        "drawn": rules.drawn,
        **settings.choices(),
    }
    with lock(folder):
        what = "holds hits by other methods or settings, on other images, or of another ensemble"
        check_same_results(folder / CHOICES, choices, what)
        hits = measure_hits(
            ensemble,
            split,
            methods,
            rules=rules,
            temperatures=calibrate(ensemble, load(data.val, progress)),
            settings=settings,
            background=background_images(data.train, methods),
            progress=progress,
        )
        table = hits_table(hits)
        write_text(folder / CHOICES, json.dumps(choices, indent=2))
        write_text(folder / "hits.csv", table.to_csv())
        save(reliability_figure(hits), folder / "reliability.png")
    return table
