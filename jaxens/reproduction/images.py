"""Which images of which data set an experiment explains."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jaxens.data.opening import open_data
from jaxens.data.source import Source
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.choosing import choose_images, named
from jaxens.evaluation.images import Images
from jaxens.runs.loading import best_ensemble, data_of, own_cache
from jaxens.runs.run import Run

if TYPE_CHECKING:
    from jaxens.reproduction.session import Session


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


def held_out(run: Run, choice: dict[str, Any], session: "Session", seed: int) -> Explained:
    """Returns the images that are explained, and the ensemble of the run.

    Args:
        run: The run of the ensemble.
        choice: From `Setting.of_images`.
        session: Where the data are.
        seed: The seed of a sample.
    """
    own, progress = run.config.data, session.watch.progress
    source = choice.get("on") or own.source
    folder, cache = session.data_dirs.get(source), session.cache_dir
    images = Images(
        **choice,
        data_dir=Path(folder) if folder else None,
        cache_dir=Path(cache) if cache else None,
    )
    if images.on:
        data = open_data(images.other_data(own_cache(run.folder, own, images.cache_dir)), progress)
    else:
        data = data_of(run, images.data_dir, images.cache_dir, progress)
    ensemble, split = choose_images(
        best_ensemble(run),
        data,
        images,
        named(run.info, run.record["data"]),
        seed=seed,
        tasks=own.tasks,
        progress=progress,
    )
    return Explained(ensemble, split, data.train, images.explained)
