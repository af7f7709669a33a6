"""Finds what an ensemble sees in images, and where: the arrows that an expert would draw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax import Array
from jaxtyping import Float, Int, UInt8

from jaxens.annotation.calibration import calibrated
from jaxens.annotation.marks import Annotation, Mark
from jaxens.annotation.rules import DIAGONAL, NEAR, Rules
from jaxens.annotation.tips import TIPS, region_boxes
from jaxens.annotation.wording import Typical, describe, label_of, plain, split_tasks
from jaxens.attribution import Contrast
from jaxens.chunks import in_chunks, in_chunks_to_host
from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Task
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.evaluation.maps import Explainer, check_finite, check_model
from jaxens.evaluation.predictions import find_class
from jaxens.evaluation.settings import MethodSettings, check_methods
from jaxens.models.memory import images_at_once


def annotate(
    ensemble: Ensemble,
    images: UInt8[np.ndarray, "image height width 3"],
    *,
    rules: Rules = Rules(),
    names: Sequence[str] | None = None,
    temperatures: Mapping[str, float] | None = None,
    typical: Typical | None = None,
    against: str | None = None,
    settings: MethodSettings | None = None,
    background: UInt8[np.ndarray, "baseline height width 3"] | None = None,
    progress: Progress = no_progress,
) -> list[Annotation]:
    """Finds what an ensemble sees in images, and where.

    Pazzani et al. 2022, section 7.

    Args:
        ensemble: An ensemble that was trained on several tasks: those with parts give the marks,
            and the first one without parts the prediction, such as the species.
        images: RGB, of the size that the ensemble was trained on.
        rules: Which marks are drawn, and how they are located.
        names: One for each image (default: their numbers).
        temperatures: Of each task, from `calibrate` (default: 1).
        typical: What classes usually have, from `typical`: to say what a look-alike has instead.
        against: The look-alike, a class of the predicted task by name or number. The heatmap then
            shows what tells the two apart. Default: the second most probable class, for the
            sentence alone.
        settings: How the method is run.
        background: Training images that GradientSHAP starts from.
        progress: Called with a description, the number of maps that are done, and of all.

    Returns:
        One annotation for each image.

    Raises:
        UserError: If no task has parts, a method or class is unknown, or a member gives NaN.
    """
    check_methods([rules.method], background)
    headline, described = split_tasks(ensemble.tasks)
    if not described:
        raise UserError(
            f"no task has parts to point at ({', '.join(t.name for t in ensemble.tasks)}): train "
            "on a data set whose classes have masks, key points or boxes"
        )
    check_model(ensemble, images[:1], [rules.method])
    probabilities = _probabilities(ensemble, images, temperatures or {})
    found = {task.name: _present(task, probabilities[task.name], rules) for task in described}
    explainer = Explainer(ensemble, images.shape[1], settings or MethodSettings(), background)
    done, total = 0, sum(map(len, found.values())) + (len(images) if headline else 0)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("locating the marks", done, total)

    def maps(
        task: Task, rows: Sequence[int], targets: Sequence[int] | np.ndarray, against: Any = None
    ) -> Float[np.ndarray, "member map height width"]:
        ids, classes = np.asarray(rows, int), np.asarray(targets, int)
        return maps_of(explainer, rules.method, images[ids], ids, task, classes, against, advance)

    marks: list[list[Mark]] = [[] for _ in images]
    heatmaps = np.zeros(images.shape[:3], np.float32)
    for task in described:
        of_task = maps(
            task, [f.image for f in found[task.name]], [f.target for f in found[task.name]]
        )
        for k, each in enumerate(found[task.name]):
            heatmaps[each.image] += of_task[:, k].mean(axis=0)
            mark = _mark(task, each, of_task[:, k], rules)
            if mark.certainty >= rules.drawn:
                marks[each.image].append(mark)
    comparison = None
    if headline is not None:
        comparison = _compare(headline, probabilities[headline.name], against)
        rows = list(range(len(images)))
        other = None if against is None else comparison.look_alike
        heatmaps = maps(headline, rows, comparison.predicted, other).mean(axis=0)
    return [
        _annotation(
            str(i) if names is None else names[i],
            image,
            described,
            sorted(marks[i], key=lambda mark: -mark.probability)[: rules.marks],
            heatmaps[i],
            rules,
            None if comparison is None else comparison.of(i),
            typical or {},
        )
        for i, image in enumerate(images)
    ]


@dataclass(frozen=True)
class _Found:
    """One class that is present in one image."""

    image: int
    target: int
    probability: float


def _probabilities(
    ensemble: Ensemble,
    images: UInt8[np.ndarray, "image height width 3"],
    temperatures: Mapping[str, float],
) -> dict[str, Float[np.ndarray, "image class"]]:
    at_once = images_at_once(ensemble.model, images.shape[1], ensemble.members)
    chunk = max(1, at_once // ensemble.members)
    logits = in_chunks(ensemble.all_logits, chunk, images, out_axis=1)
    check_finite({name: np.asarray(each) for name, each in logits.items()})
    return {task.name: calibrated(task, logits[task.name], temperatures) for task in ensemble.tasks}


def _present(
    task: Task, probabilities: Float[np.ndarray, "image class"], rules: Rules
) -> list[_Found]:
    """Returns the classes of each image that are probable enough and have parts to point at."""
    sure = probabilities >= rules.confidence
    if task.kind == "multiclass":
        sure &= np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None]
    sure &= np.array([bool(parts) for parts in task.parts])
    return [_Found(i, k, float(probabilities[i, k])) for i, k in np.argwhere(sure).tolist()]


def maps_of(
    explainer: Explainer,
    method: str,
    images: UInt8[np.ndarray, "map height width 3"],
    ids: Int[np.ndarray, "map"],
    task: Task,
    targets: Int[np.ndarray, "map"],
    against: Int[np.ndarray, "map"] | None = None,
    advance: Callable[[int], None] | None = None,
) -> Float[np.ndarray, "member map height width"]:
    """Returns the members' maps of one class in each image, on the host.

    Args:
        explainer: Explains the ensemble.
        method: Name in `jaxens.attribution.METHODS`.
        images: RGB.
        ids: As for `Explainer.maps`.
        task: The task.
        targets: A class of each image.
        against: Explain the targets rather than these classes.
        advance: Called with the number of maps that were computed.
    """
    if not len(images):
        return np.zeros((explainer.ensemble.members, 0, *images.shape[1:3]), np.float32)

    def explain(rows: Int[np.ndarray, "row"]) -> Float[Array, "member row height width"]:
        chosen = targets[rows] if against is None else Contrast(targets[rows], against[rows])
        return explainer.maps([method], images[rows], ids[rows], chosen, task.name)[method]

    at_once, _ = explainer.chunks([method])
    count = len(images)
    return in_chunks_to_host(
        explain, min(at_once, count), count, advance or (lambda _: None), axis=1
    )


def _mark(
    task: Task, found: _Found, maps: Float[np.ndarray, "member height width"], rules: Rules
) -> Mark:
    tip_of, mean = TIPS[rules.tip], maps.mean(axis=0)
    tip, member_tips = tip_of(mean), tip_of(maps)
    near = np.linalg.norm(member_tips - tip, axis=-1) <= NEAR * DIAGONAL  # false for NaN
    return Mark(
        task=task.name,
        target=found.target,
        label=label_of(task, found.target),
        parts=task.parts[found.target],
        probability=found.probability,
        tip=tip,
        member_tips=member_tips,
        box=region_boxes(mean),
        certainty=float(near.mean()),
        uncertain=bool(near.mean() < rules.solid),
    )


@dataclass(frozen=True)
class _Comparison:
    """The predicted class of each image, and the class that looks most alike."""

    task: Task
    predicted: Int[np.ndarray, "image"]
    probability: Float[np.ndarray, "image"]
    look_alike: Int[np.ndarray, "image"]

    def of(self, image: int) -> tuple[str, float, int, str]:
        """Returns names, probability, and the number of the look-alike, of one image."""
        other = int(self.look_alike[image])
        return (
            plain(self.task.classes[self.predicted[image]]),
            float(self.probability[image]),
            other,
            plain(self.task.classes[other]),
        )


def _compare(
    task: Task, probabilities: Float[np.ndarray, "image class"], against: str | None
) -> _Comparison:
    order = np.argsort(-probabilities, axis=1, kind="stable")
    predicted, second = order[:, 0], order[:, min(1, len(task.classes) - 1)]
    if against is not None:
        other = find_class(task, against, "against")
        second = np.where(predicted == other, second, other)
    return _Comparison(task, predicted, probabilities.max(axis=1), second)


def _annotation(
    name: str,
    image: UInt8[np.ndarray, "height width 3"],
    described: Sequence[Task],
    marks: Sequence[Mark],
    heatmap: Float[np.ndarray, "height width"],
    rules: Rules,
    comparison: tuple[str, float, int, str] | None,
    typical: Typical,
) -> Annotation:
    prediction, probability, other, look_alike = comparison or ("", float("nan"), -1, "")
    instead = _instead(described, marks, typical.get(other, {}))
    return Annotation(
        name=name,
        image=image,
        prediction=prediction,
        probability=probability,
        look_alike=look_alike,
        marks=tuple(marks),
        heatmap=heatmap,
        sentence=describe([mark.label for mark in marks], look_alike, instead),
        method=rules.method,
        tip=rules.tip,
    )


def _instead(
    tasks: Sequence[Task], marks: Sequence[Mark], typical: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Returns what a class usually has that the image has not, task by task."""
    labels = []
    for task in tasks:
        seen = {mark.target for mark in marks if mark.task == task.name}
        if seen or task.kind == "multilabel":
            labels += [label_of(task, k) for k in typical.get(task.name, ()) if k not in seen]
    return labels
