"""Measures how often arrows hit what they point at, by the attribution method and the tip rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxens.annotation.annotating import maps_of
from jaxens.annotation.hits import Hits
from jaxens.annotation.present import present_classes
from jaxens.annotation.rules import DIAGONAL, NEAR, Rules
from jaxens.annotation.tips import TIPS
from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Task
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.predicting import all_probabilities
from jaxens.evaluation.maps import Explainer
from jaxens.evaluation.questions import Question, choose_questions, have_marks
from jaxens.evaluation.settings import MethodSettings, check_methods


def measure_hits(
    ensemble: Ensemble,
    split: Split,
    methods: Sequence[str],
    *,
    rules: Rules = Rules(),
    temperatures: Mapping[str, float] | None = None,
    settings: MethodSettings | None = None,
    background: np.ndarray | None = None,
    progress: Progress = no_progress,
) -> list[Hits]:
    """Measures how often the tips of an ensemble and of its members hit what they point at.

    Args:
        ensemble: The ensemble.
        split: Images with labels and key points or masks; not those that it was trained on.
        methods: Names in `jaxens.attribution.METHODS`.
        rules: Their `confidence` and `drawn` say which arrows would be drawn; the method, the tip
            and the number of arrows in an image do not matter.
        temperatures: Of each task, from `calibrate` (default: 1), for the confidence.
        settings: How the methods are run.
        background: Training images that GradientSHAP starts from.
        progress: Called with a description, the number of maps that are done, and of all.

    Returns:
        One result for each question, method and rule for tips.

    Raises:
        UserError: If a method is unknown, a member gives NaN, or the split has no labels, or no
            masks and key points.
    """
    check_methods(methods, background)
    explainer = Explainer(ensemble, split.images.shape[1], settings or MethodSettings(), background)
    chosen, predicted = choose_questions(ensemble, split)
    calibrated = all_probabilities(ensemble, split.images, temperatures=temperatures)
    cases = [
        _cases(question, split, predicted[name], calibrated[name], rules)
        for question in chosen
        for name in [question.task.name]
    ]
    done, total = 0, sum(len(case.images) for case in cases) * len(methods)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("measuring tips", done, total)

    results = []
    for case in cases:
        for method in methods if len(case.images) else ():
            tips = maps_of(
                explainer,
                method,
                split.images[case.images],
                split.places[case.images],
                case.question.task,
                case.targets,
                advance=advance,
                read=_tips,
            )
            results += [
                _hits(case, method, tip, tips[:, :, k], rules) for k, tip in enumerate(TIPS)
            ]
    return results


@dataclass(frozen=True)
class _Cases:
    """The maps that a question needs: of labels that are predicted, and of arrows.

    Attributes:
        question: The question.
        images: Rows of the split.
        targets: A class of each.
        rows: The cases of the question whose label is predicted.
        predicted: The map of each of these.
        probable: The map of each class that is probable enough for an arrow.
        unmarked: Of each of these, whether the image has no mask and no key point of its parts.
    """

    question: Question
    images: Int[np.ndarray, "map"]
    targets: Int[np.ndarray, "map"]
    rows: Int[np.ndarray, "case"]
    predicted: Int[np.ndarray, "case"]
    probable: Int[np.ndarray, "arrow"]
    unmarked: Bool[np.ndarray, "arrow"]


def _cases(
    question: Question,
    split: Split,
    predicted: Float[np.ndarray, "image class"],
    calibrated: Float[np.ndarray, "image class"],
    rules: Rules,
) -> _Cases:
    rows = np.flatnonzero(_right(question, predicted))
    pairs = [
        (each.image, each.target)
        for each in present_classes(question.task, calibrated, rules)
        if each.target in question.classes
    ]
    arrows = np.array(pairs, int).reshape(-1, 2)
    right = np.stack([question.images[rows], question.targets[rows]], axis=1)
    maps, places = np.unique(np.concatenate([right, arrows]), axis=0, return_inverse=True)
    return _Cases(
        question,
        images=maps[:, 0],
        targets=maps[:, 1],
        rows=rows,
        predicted=places.ravel()[: len(rows)],
        probable=places.ravel()[len(rows) :],
        unmarked=_unmarked(question.task, split, *arrows.T),
    )


def _right(
    question: Question, probabilities: Float[np.ndarray, "image class"]
) -> Bool[np.ndarray, "case"]:
    """Returns for which cases of a question the ensemble predicts the label."""
    of_images = probabilities[question.images]
    if question.task.kind == "multilabel":
        return of_images[np.arange(len(of_images)), question.targets] > 0.5
    return of_images.argmax(axis=1) == question.targets


def _unmarked(
    task: Task, split: Split, images: Int[np.ndarray, "arrow"], targets: Int[np.ndarray, "arrow"]
) -> Bool[np.ndarray, "arrow"]:
    """Returns which images have no mask and no key point of the parts of their class."""
    unmarked = np.ones(len(images), bool)
    for k in np.unique(targets):
        unmarked[targets == k] = ~have_marks(split, task.parts[k], images[targets == k])
    return unmarked


def _tips(
    maps: Float[np.ndarray, "member image height width"],
) -> Float[np.ndarray, "1+member image tip 2"]:
    """Returns the tips of the mean map and of each member's, by every rule."""
    with_mean = np.concatenate([maps.mean(axis=0, keepdims=True), maps])
    return np.stack([tip_of(with_mean) for tip_of in TIPS.values()], axis=2)


def _hits(
    case: _Cases, method: str, tip: str, tips: Float[np.ndarray, "1+member map 2"], rules: Rules
) -> Hits:
    near = np.linalg.norm(tips[1:] - tips[0], axis=-1) <= NEAR * DIAGONAL  # false for NaN
    certainty = near.mean(axis=0)
    question, rows = case.question, case.rows
    ensemble, members = tips[0, case.predicted], tips[1:, case.predicted]
    points = np.full((len(rows), 2), np.nan) if question.points is None else question.points[rows]
    return Hits(
        question.name,
        method,
        tip,
        ensemble=np.linalg.norm(ensemble - points, axis=-1) / DIAGONAL,
        members=np.linalg.norm(members - points, axis=-1) / DIAGONAL,
        inside=_inside(question, rows, ensemble),
        members_inside=np.stack([_inside(question, rows, each) for each in members]),
        certainty=certainty[case.predicted],
        unmarked=case.unmarked[certainty[case.probable] >= rules.drawn],
    )


def _inside(
    question: Question, rows: np.ndarray, tips: Float[np.ndarray, "image 2"]
) -> Float[np.ndarray, "image"]:
    """Returns 1 where a tip is in the mask, 0 where not, NaN without a mask or a tip."""
    if question.masks is None:
        return np.full(len(rows), np.nan)
    masks = question.masks[rows]
    height, width = masks.shape[1:]
    known = np.isfinite(tips).all(axis=1) & masks.any(axis=(1, 2))
    x, y = np.where(known[:, None], tips, 0).T
    columns = np.clip((x * width).astype(int), 0, width - 1)
    lines = np.clip((y * height).astype(int), 0, height - 1)
    return np.where(known, masks[np.arange(len(rows)), lines, columns], np.nan)
