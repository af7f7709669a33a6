"""The images that an evaluation explains: those of the run's data set, or of another one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Info
from jaxens.data.source import DataSet, load, load_sample
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.augmented import augmented
from jaxens.evaluation.images import Images
from jaxens.evaluation.transfer import on_other


def choose_images(
    ensemble: Ensemble,
    data: DataSet,
    choice: Images,
    trained_on: str,
    *,
    seed: int = 0,
    tasks: Sequence[str] = (),
    augment: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
) -> tuple[Ensemble, Split]:
    """Returns the images to explain, and the ensemble with the data set's names of parts.

    Args:
        ensemble: The ensemble.
        data: The data set that the images are of.
        choice: Which of its images.
        trained_on: What the ensemble was trained on, from `named`.
        seed: Of a sample, and of random changes.
        tasks: Those whose labels a sample keeps in proportion first.
        augment: Largest random changes, see `augmented`.
        progress: Called after each image.

    Raises:
        UserError: As `on_other`, for another data set than the ensemble's.
    """
    if choice.limit is None:
        split = load(data.test, progress)
    else:
        split = load_sample(data.test, choice.limit, seed, tasks, progress)
    if choice.augment and augment:
        split = augmented(split, seed, **augment)
    if not choice.on:
        return ensemble, split
    images = split.sample or f"the {len(split)} {data.test.split} images"
    sample = f"{images}, of {named(data.info, data.fingerprint)}; trained on {trained_on}"
    return on_other(ensemble, replace(split, sample=sample), choice.other_parts)


def named(info: Info, fingerprint: str) -> str:
    """Returns the name of a data set with its fingerprint."""
    return f"{info.name} (fingerprint {fingerprint})"
