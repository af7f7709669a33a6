"""Which images of which data set an experiment explains."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jaxens.data.opening import open_data
from jaxens.data.progress import Progress, no_progress
from jaxens.data.source import Source
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.choosing import choose_images, named
from jaxens.evaluation.images import Images
from jaxens.runs.opened import Opened
from jaxens.runs.own_data import data_of, own_cache
from jaxens.runs.run import Run


@dataclass(frozen=True)
class Explained:
    """The images that are explained.

    Attributes:
        ensemble: The ensemble, whose parts are those of the images.
        split: The images.
        train: Training images of the same data set, for GradientSHAP.
        explained: Whether their label or the ensemble's prediction is explained.
    """

    ensemble: Ensemble
    split: Split
    train: Source
    explained: Literal["label", "prediction"]


def held_out(
    run: Run,
    choice: Mapping[str, Any],
    data_dirs: Mapping[str, str],
    cache_dir: str,
    seed: int,
    progress: Progress = no_progress,
) -> Explained:
    """Returns the images that are explained, and the ensemble of the run.

    Args:
        run: The run of the ensemble.
        choice: From `Setting.of_images`.
        data_dirs: The folder of each data set that needs one.
        cache_dir: The folder for prepared data; empty for the default.
        seed: The seed of a sample.
        progress: Called after each image.
    """
    opened = Opened.of_run(run)
    origin = opened.origin
    folder = data_dirs.get(choice.get("on") or origin.data["source"])
    images = Images(
        **choice,
        data_dir=Path(folder) if folder else None,
        cache_dir=Path(cache_dir) if cache_dir else None,
    )
    if images.on:
        cache = own_cache(opened.folder, origin.data["cache_dir"], images.cache_dir)
        data = open_data(images.other_data(origin.data, cache), progress)
    else:
        data = data_of(opened, images.data_dir, images.cache_dir, progress)
    ensemble, split = choose_images(
        opened.ensemble,
        data,
        images,
        named(origin.info, origin.fingerprint),
        seed=seed,
        tasks=origin.data["tasks"],
        progress=progress,
    )
    return Explained(ensemble, split, data.train, images.explained)
