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
from jaxens.runs.loading import best_ensemble, data_of, own_cache
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
    trained_on = run.config.data
    folder = data_dirs.get(choice.get("on") or trained_on.source)
    images = Images(
        **choice,
        data_dir=Path(folder) if folder else None,
        cache_dir=Path(cache_dir) if cache_dir else None,
    )
    if images.on:
        settings = own_cache(run.folder, trained_on, images.cache_dir)
        data = open_data(images.other_data(settings), progress)
    else:
        data = data_of(run, images.data_dir, images.cache_dir, progress)
    ensemble, split = choose_images(
        best_ensemble(run),
        data,
        images,
        named(run.info, run.record["data"]),
        seed=seed,
        tasks=trained_on.tasks,
        progress=progress,
    )
    return Explained(ensemble, split, data.train, images.explained)
