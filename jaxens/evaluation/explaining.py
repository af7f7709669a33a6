"""Explains images by an ensemble: the maps of its members by each method."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jax import Array
from jaxtyping import Float, Int, UInt8

from jaxens.attribution import METHODS
from jaxens.chunks import in_chunks_to_host
from jaxens.data.photos import Photos, from_arrays
from jaxens.data.progress import Progress, no_progress
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import check_number
from jaxens.evaluation.explanation import Explanation
from jaxens.evaluation.maps import Explainer, check_model
from jaxens.evaluation.predictions import Subject, choose_targets
from jaxens.evaluation.settings import (
    DEFAULT_METHODS,
    Display,
    MethodSettings,
    check_methods,
    group_methods,
)

log = logging.getLogger(__name__)


def explain(
    ensemble: Ensemble,
    images: UInt8[np.ndarray, "image height width 3"] | Split | Photos,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    task: str | None = None,
    target: int | str | None = None,
    against: int | str | None = None,
    names: Sequence[str] | None = None,
    settings: MethodSettings | None = None,
    background: UInt8[np.ndarray, "baseline height width 3"] | None = None,
    progress: Progress = no_progress,
) -> Explanation:
    """Explains what an ensemble predicts for images.

    Args:
        ensemble: The members that are explained.
        images: RGB, of the size that the ensemble was trained on. Those of a `Split` come with
            their labels and marks, which tables and figures then show; photos come from
            `jaxens.data.photos`.
        methods: Names in `attribution.METHODS`.
        task: Name of the task (default: the first).
        target: Class to explain, by name or number (default: the ensemble's prediction).
        against: Explain the target rather than this class, by name or number.
        names: One for each image (default: their ids or numbers). Photos have their own.
        settings: How the methods are run.
        background: Training images that GradientSHAP starts from.
        progress: Called with a description, the number of maps of each member that are done, and
            of all.

    Returns:
        Maps, predictions and figures.

    Raises:
        UserError: If a method, task or class is unknown, or every member gives NaN for an image.
    """
    photos = images if isinstance(images, Photos) else from_arrays(images, names)
    subject = choose_targets(ensemble, photos, task, target, against)
    (explanation,) = explain_in_parts(
        ensemble,
        subject,
        methods=methods,
        settings=settings or MethodSettings(),
        background=background,
        images_per_part=len(photos),
        progress=progress,
    )
    return explanation


def explain_in_parts(
    ensemble: Ensemble,
    subject: Subject,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    settings: MethodSettings = MethodSettings(),
    background: UInt8[np.ndarray, "baseline height width 3"] | None = None,
    images_per_part: int = Display().images_per_part,
    progress: Progress = no_progress,
) -> Iterator[Explanation]:
    """Explains some images after the others, so that memory holds the maps of a few only.

    `save_parts` saves them. The maps are those of `explain`, up to rounding.

    Args:
        ensemble: The members that are explained.
        subject: Images and targets, from `choose_targets`.
        methods: Names in `attribution.METHODS`.
        settings: How the methods are run.
        background: Training images that GradientSHAP starts from.
        images_per_part: Images in each part but the last (default: four figures). For figures of
            another `Display`, its `images_per_part`.
        progress: As for `explain`.

    Yields:
        The explanations of the parts, in order. A part is computed when the iterator gets there.

    Raises:
        UserError: If an argument is wrong, or the model can't be explained.
    """
    check_number("images_per_part", images_per_part, least=1)
    check_methods(methods, background)
    member = int(subject.predictions.finite[:, 0].argmax())
    check_model(ensemble, subject.photos.images[:1], methods, member)
    size = subject.photos.images.shape[1]
    count, done = len(subject.photos), 0
    for first in range(0, count, images_per_part):
        rows = np.arange(first, min(first + images_per_part, count))
        part = subject if len(rows) == count else subject.take(rows)
        # It keeps LIME's weights of each image, so each part has its own.
        explainer = Explainer(ensemble, size, settings, background)
        maps: dict[str, np.ndarray] = {}
        for group in group_methods(methods):

            def advance(images: int, group: Sequence[str] = group) -> None:
                nonlocal done
                done += images * len(group)
                progress("explaining", done, len(methods) * count)

            maps |= _maps(explainer, group, part, min(images_per_part, count), advance)
        for method in methods:
            _warn_of_broken(method, maps[method], part)
        yield Explanation(
            part, {method: maps[method] for method in methods}, settings, subject, first
        )


def _maps(
    explainer: Explainer,
    methods: Sequence[str],
    subject: Subject,
    usual: int,
    advance: Callable[[int], None],
) -> dict[str, Float[np.ndarray, "member image height width"]]:
    """Returns the maps of all members: NaN for a member that is excluded from the prediction.

    A part usually has so many images. The calls for these have one size, and so have those for the
    last part, which is smaller: programs are compiled once.
    """
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
    chunk = math.ceil(usual / math.ceil(usual / at_once))
    maps = in_chunks_to_host(explain, chunk, len(photos), advance, axis=1)
    finite = subject.predictions.finite[..., None, None]
    return {method: np.where(finite, each, np.nan) for method, each in maps.items()}


def _warn_of_broken(method: str, maps: np.ndarray, subject: Subject) -> None:
    """Warns of members whose maps are not finite though their predictions are."""
    broken = subject.predictions.finite & ~np.isfinite(maps).all(axis=(-2, -1))
    for member in np.flatnonzero(broken.any(axis=1)):
        names = [subject.photos.names[i] for i in np.flatnonzero(broken[member])]
        log.warning(
            f"{METHODS[method].title} of member {member} (0 to {len(maps) - 1}) is not finite for "
            f"{', '.join(names)}: left out of the mean"
        )
