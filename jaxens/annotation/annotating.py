"""Finds what an ensemble sees in images, and where: the arrows that an expert would draw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax import Array
from jaxtyping import Float, Int, UInt8

from jaxens.annotation.present import Present, present_classes, telling_classes
from jaxens.annotation.rules import DIAGONAL, NEAR, Rules
from jaxens.annotation.sightings import Annotation, Sighting
from jaxens.annotation.tips import TIPS, region_boxes
from jaxens.annotation.wording import Typical, describe, label_of, plain, split_tasks
from jaxens.attribution import Contrast
from jaxens.chunks import in_chunks_to_host
from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Task
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.predicting import all_probabilities
from jaxens.errors import UserError
from jaxens.evaluation.maps import Explainer, check_model
from jaxens.evaluation.predictions import find_class
from jaxens.evaluation.settings import MethodSettings, check_methods

LIKELY = 0.5  # from this probability on, an image is said to have something


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
        ensemble: An ensemble that was trained on several tasks: those with parts give the
            sightings, and the first one without parts the prediction, such as the species.
        images: RGB, of the size that the ensemble was trained on.
        rules: Which sightings are drawn, and how they are located.
        names: One for each image (default: their numbers).
        temperatures: Of each task, from `calibrate` (default: 1).
        typical: What classes usually have, from `typical`: to say what a look-alike has instead.
        against: The look-alike, a class of the predicted task by name or number. What it usually
            has too then gets no arrow. If it usually has another class of a task, such as another
            wing pattern, the arrow and the heatmap explain the difference of the two logits.
            Default: the second most probable class, for the sentence alone.
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
    probabilities = all_probabilities(ensemble, images, temperatures=temperatures)
    present = {
        task.name: present_classes(task, probabilities[task.name], rules) for task in described
    }
    if headline is None and against is not None:
        raise UserError("`against` is a class of a task without parts, and there is none: omit it")
    comparison = None
    usual: list[Mapping[str, tuple[int, ...]]] = [{}] * len(images)
    if headline is not None:
        comparison = _compare(headline, probabilities[headline.name], against)
        usual = [(typical or {}).get(k, {}) for k in comparison.look_alike.tolist()]
    if against is not None:
        present = {t.name: telling_classes(t, present[t.name], usual) for t in described}
    explainer = Explainer(ensemble, images.shape[1], settings or MethodSettings(), background)
    done, total = 0, sum(map(len, present.values())) + (len(images) if headline else 0)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("locating the sightings", done, total)

    def maps(
        task: Task, rows: Sequence[int], targets: Sequence[int] | np.ndarray, against: Any = None
    ) -> Float[np.ndarray, "member map height width"]:
        ids, classes = np.asarray(rows, int), np.asarray(targets, int)
        return maps_of(explainer, rules.method, images[ids], ids, task, classes, against, advance)

    located: list[list[Sighting]] = [[] for _ in images]
    heatmaps = np.zeros(images.shape[:3], np.float32)
    strongest = np.zeros(len(images))  # the largest probability of a sighting
    for task in described:
        for contrasted in (False, True):
            classes = [c for c in present[task.name] if (c.against is not None) == contrasted]
            other = np.array([c.against for c in classes], int) if contrasted else None
            of_task = maps(task, [c.image for c in classes], [c.target for c in classes], other)
            for k, of_image in enumerate(classes):
                sighting, i = _sighting(task, of_image, of_task[:, k], rules), of_image.image
                located[i].append(sighting)
                if sighting.probability > strongest[i]:
                    heatmaps[i], strongest[i] = of_task[:, k].mean(axis=0), sighting.probability
    if comparison is not None and headline is not None:
        rows = list(range(len(images)))
        other = None if against is None else comparison.look_alike
        heatmaps = maps(headline, rows, comparison.predicted, other).mean(axis=0)
    of_images = [{name: p[i] for name, p in probabilities.items()} for i in range(len(images))]
    return [
        _annotation(
            str(i) if names is None else names[i],
            image,
            located[i],
            heatmaps[i],
            rules,
            None if comparison is None else comparison.of(i),
            _lacked(described, of_images[i], usual[i]),
        )
        for i, image in enumerate(images)
    ]


def maps_of(
    explainer: Explainer,
    method: str,
    images: UInt8[np.ndarray, "map height width 3"],
    ids: Int[np.ndarray, "map"],
    task: Task,
    targets: Int[np.ndarray, "map"],
    against: Int[np.ndarray, "map"] | None = None,
    advance: Callable[[int], None] | None = None,
    read: Callable[[np.ndarray], np.ndarray] = lambda maps: maps,
) -> Float[np.ndarray, "member map ..."]:
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
        read: From the maps of some images to what is kept of them; images stay the second axis.
    """
    if not len(images):
        return read(np.zeros((explainer.ensemble.members, 0, *images.shape[1:3]), np.float32))

    def explain(rows: Int[np.ndarray, "row"]) -> Float[Array, "member row height width"]:
        chosen = targets[rows] if against is None else Contrast(targets[rows], against[rows])
        return explainer.maps([method], images[rows], ids[rows], chosen, task.name)[method]

    at_once, _ = explainer.chunks([method])
    count = len(images)
    return in_chunks_to_host(
        explain, min(at_once, count), count, advance or (lambda _: None), axis=1, read=read
    )


def _sighting(
    task: Task, present: Present, maps: Float[np.ndarray, "member height width"], rules: Rules
) -> Sighting:
    tip_of, mean = TIPS[rules.tip], maps.mean(axis=0)
    tip, member_tips = tip_of(mean), tip_of(maps)
    near = np.linalg.norm(member_tips - tip, axis=-1) <= NEAR * DIAGONAL  # false for NaN
    return Sighting(
        task=task.name,
        target=present.target,
        label=label_of(task, present.target),
        parts=task.parts[present.target],
        probability=present.probability,
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

    def of(self, image: int) -> tuple[str, float, str]:
        """Returns the predicted class, its probability and the look-alike of one image."""
        predicted, other = int(self.predicted[image]), int(self.look_alike[image])
        classes = self.task.classes
        return plain(classes[predicted]), float(self.probability[image]), plain(classes[other])


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
    located: Sequence[Sighting],
    heatmap: Float[np.ndarray, "height width"],
    rules: Rules,
    comparison: tuple[str, float, str] | None,
    lacked: Sequence[str],
) -> Annotation:
    prediction, probability, look_alike = comparison or ("", float("nan"), "")
    seen = sorted(located, key=lambda sighting: -sighting.probability)
    drawn = [k for k, each in enumerate(seen) if each.certainty >= rules.drawn][: rules.sightings]
    return Annotation(
        name=name,
        image=image,
        prediction=prediction,
        probability=probability,
        look_alike=look_alike,
        sightings=tuple(seen[k] for k in drawn),
        left_out=tuple(each for k, each in enumerate(seen) if k not in drawn),
        heatmap=heatmap,
        sentence=describe([sighting.label for sighting in seen], look_alike, lacked),
        method=rules.method,
        tip=rules.tip,
    )


def _lacked(
    tasks: Sequence[Task],
    probabilities: Mapping[str, Float[np.ndarray, "class"]],
    typical: Mapping[str, tuple[int, ...]],
) -> list[str]:
    """Returns what a class usually has and the image has not, task by task.

    The image lacks a label that is improbable. In a task with one class per image, it also needs
    another class that is probable: otherwise nothing is known.
    """
    labels = []
    for task in tasks:
        of_task = probabilities[task.name]
        if task.kind == "multiclass" and of_task.max() < LIKELY:
            continue
        labels += [label_of(task, k) for k in typical.get(task.name, ()) if of_task[k] < LIKELY]
    return labels
