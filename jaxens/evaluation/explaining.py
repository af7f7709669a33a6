"""Explains images by an ensemble: the maps of its members by each method."""

import hashlib
import logging
from collections.abc import Callable, Sequence

import numpy as np
from jax import Array
from jaxtyping import Float, Int, UInt8

from jaxens.arrays import in_chunks_to_host
from jaxens.attribution import METHODS
from jaxens.data.photos import Photos
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.evaluation.explainer import Explainer
from jaxens.evaluation.explanation import Explanation
from jaxens.evaluation.predictions import Subject, choose_targets
from jaxens.evaluation.settings import (
    DEFAULT_METHODS,
    MethodSettings,
    check_methods,
    group_methods,
)

Progress = Callable[[str, int, int], None]  # what is done, how much, of how much
log = logging.getLogger(__name__)


def explain(
    ensemble: Ensemble,
    images: UInt8[np.ndarray, "image height width 3"],
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    task: str | None = None,
    target: int | str | None = None,
    against: int | str | None = None,
    names: Sequence[str] | None = None,
    settings: MethodSettings | None = None,
    background: UInt8[np.ndarray, "baseline height width 3"] | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Explains what an ensemble predicts for images.

    Args:
        ensemble: whose members are explained.
        images: uint8, of the size that the ensemble was trained on.
        methods: names of `attribution.METHODS`.
        task: name of the task (default: the first).
        target: class to explain, by name or number (default: the ensemble's prediction).
        against: explain the target rather than this class, by name or number.
        names: of the images (default: their numbers).
        settings: of the methods.
        background: training images that GradientSHAP starts from.
        progress: called with a description, the number of maps so far, and of all maps.

    Raises:
        UserError: for unknown methods, tasks or classes.
    """
    photos = Photos(
        list(names or map(str, range(len(images)))),
        images,
        np.arange(len(images)),
        [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
    )
    subject = choose_targets(ensemble, photos, task, target, against)
    return explain_subject(
        ensemble,
        subject,
        methods=methods,
        settings=settings or MethodSettings(),
        background=background,
        progress=progress,
    )


def explain_subject(
    ensemble: Ensemble,
    subject: Subject,
    *,
    methods: Sequence[str],
    settings: MethodSettings,
    background: UInt8[np.ndarray, "baseline height width 3"] | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Explains images whose targets are chosen already; see `explain`."""
    check_methods(methods)
    if "gradient_shap" in methods and background is None:
        raise UserError("gradient_shap needs background images: give some training images")
    size = subject.photos.images.shape[1]
    explainer = Explainer(ensemble, size, settings, background)
    total, done = len(methods) * len(subject.targets), 0
    maps: dict[str, np.ndarray] = {}
    for group in group_methods(methods):

        def advance(images: int, group: Sequence[str] = group) -> None:
            nonlocal done
            done += images * len(group)
            if progress:
                progress("explaining", done, total)

        maps |= _maps(explainer, group, subject, advance)
    for method in methods:
        _warn_of_broken(method, maps[method], subject)
    return Explanation(subject, {method: maps[method] for method in methods}, settings)


def _maps(
    explainer: Explainer, methods: Sequence[str], subject: Subject, advance: Callable[[int], None]
) -> dict[str, Float[np.ndarray, "member image height width"]]:
    """All members' maps. Members excluded from a prediction are excluded from the map: NaN."""
    photos = subject.photos

    def explain(rows: Int[np.ndarray, "row"]) -> dict[str, Float[Array, "member row height width"]]:
        return explainer.maps(
            methods,
            photos.images[rows],
            photos.places[rows],
            subject.classes(rows),
            subject.task.name,
        )

    at_once, _ = explainer.chunks(methods)
    chunk = min(at_once, len(photos))
    maps = in_chunks_to_host(explain, chunk, len(photos), advance, axis=1)
    finite = subject.predictions.finite[..., None, None]
    return {method: np.where(finite, each, np.nan) for method, each in maps.items()}


def _warn_of_broken(method: str, maps: np.ndarray, subject: Subject) -> None:
    """Names the members whose maps are not finite though their predictions are."""
    broken = subject.predictions.finite & ~np.isfinite(maps).all(axis=(-2, -1))
    for member in np.flatnonzero(broken.any(axis=1)):
        names = [subject.photos.names[i] for i in np.flatnonzero(broken[member])]
        log.warning(
            f"{METHODS[method].title} of member {member} (0 to {len(maps) - 1}) is not finite for "
            f"{', '.join(names)}: left out of the mean"
        )
