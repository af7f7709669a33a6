"""Explains the images of questions, and scores the maps on the device."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxens import metrics
from jaxens.attribution import METHODS
from jaxens.chunks import in_chunks_to_host
from jaxens.data.split import Split
from jaxens.evaluation.maps import Explainer
from jaxens.evaluation.questions import Question

SCORED_AT_ONCE = 16  # images whose maps of all members are on the device at once, at least
SCORED_BY_CHANCE = 128
GAUSSIAN, RANDOM = "centered Gaussian", "random map"
CHANCE = {GAUSSIAN: "a Gaussian in the center", RANDOM: "a random map"}  # in a sentence
AT_THRESHOLDS = ("iou", "precision", "recall")


@dataclass(frozen=True)
class Scores:
    """Scores of one question by one metric and one method. NaN where there is no score.

    Attributes:
        individual: The scores of the map of each member, or of the one member trained on all data.
        ensemble: The scores of the mean map.
        by_size: The scores of the mean map of the first 1, 2, ... members of each order.
    """

    individual: Float[np.ndarray, "member case"]
    ensemble: Float[np.ndarray, "case"]
    by_size: Float[np.ndarray, "order size case"]


@dataclass(frozen=True)
class MethodScores:
    """Scores of one question by one method.

    Attributes:
        scores: By metric.
        thresholds: By "iou", "precision" and "recall": the mean score over the individuals, and
            the score of the mean map, at each of `metrics.THRESHOLDS`. Empty without masks.
    """

    scores: Mapping[str, Scores]
    thresholds: Mapping[
        str, tuple[Float[np.ndarray, "threshold case"], Float[np.ndarray, "threshold case"]]
    ]


def score_questions(
    explainer: Explainer,
    baseline: Explainer | None,
    split: Split,
    questions: Sequence[Question],
    methods: Sequence[str],
    protocol: metrics.Protocol,
    orders: Int[np.ndarray, "order member"],
    advance: Callable[[int], None],
) -> list[dict[str, MethodScores]]:
    """Explains every image of some questions by each method, and scores the maps.

    Args:
        explainer: The explainer of the ensemble.
        baseline: Explainer of the one member trained on all data, if there is one.
        split: The images.
        questions: Images, targets and truth; one group of `with_same_maps`.
        methods: One group of `group_methods`.
        protocol: How maps are scored.
        orders: Orders in which members join, for the scores by the ensemble's size.
        advance: Called with the number of images that are done.

    Returns:
        Scores by method, for each question.
    """
    images, first = np.unique(np.concatenate([q.images for q in questions]), return_index=True)
    targets = np.concatenate([q.targets for q in questions])[first]
    cases = [np.searchsorted(images, q.images) for q in questions]
    spread = [_spread(q, of, len(images)) for q, of in zip(questions, cases, strict=True)]
    per_call, _ = explainer.chunks(methods)
    at_once = per_call * max(1, SCORED_AT_ONCE // per_call)

    def scores(rows: Int[np.ndarray, "image"]) -> list[dict[str, dict[str, Array]]]:
        maps = partial(
            Explainer.maps,
            methods=methods,
            images=split.images[images[rows]],
            ids=split.places[images[rows]],
            targets=targets[rows],
            task=questions[0].task.name,
        )
        by_members, by_baseline = maps(explainer), {} if baseline is None else maps(baseline)
        # The program that scores is compiled once for all questions, so all have as many cases.
        filled = np.pad(rows, (0, at_once - len(rows)), mode="edge")
        return [
            {
                method: _scores(
                    _filled(by_members[method], at_once),
                    None if baseline is None else _filled(by_baseline[method], at_once),
                    *_truth(question, filled),
                    jnp.asarray(orders),
                    protocol,
                    METHODS[method].signed,
                )
                for method in methods
            }
            for question in spread
        ]

    chunk = min(at_once, len(images))
    raw = in_chunks_to_host(scores, chunk, len(images), advance, axis=-1)
    return [
        {method: _method_scores(raw_of[method], of, protocol) for method in methods}
        for raw_of, of in zip(raw, cases, strict=True)
    ]


def _spread(question: Question, cases: Int[np.ndarray, "case"], images: int) -> Question:
    """Returns a question with empty truth for the images that it leaves out.

    Args:
        question: The question.
        cases: Where its images are among all.
        images: The number of all images.
    """

    def spread(values: np.ndarray | None, empty: Any) -> np.ndarray | None:
        if values is None:
            return None
        of_all = np.full((images, *values.shape[1:]), empty, values.dtype)
        of_all[cases] = values
        return of_all

    return replace(
        question,
        masks=spread(question.masks, False),
        points=spread(question.points, np.nan),
        ignored=spread(question.ignored, False),
    )


def _truth(question: Question, rows: Int[np.ndarray, "case"]) -> tuple[Array | None, ...]:
    """Returns masks, key points and ignored pixels of some cases; None where there are none."""
    truth = (question.masks, question.points, question.ignored)
    return tuple(None if each is None else jnp.asarray(each[rows]) for each in truth)


def _method_scores(
    raw: Mapping[str, np.ndarray], cases: Int[np.ndarray, "case"], protocol: metrics.Protocol
) -> MethodScores:
    """Groups the scores of some images by metric, in float64."""
    host = {name: np.asarray(each[..., cases], np.float64) for name, each in raw.items()}
    return MethodScores(
        {
            name: Scores(*(host[f"{name}/{part}"] for part in Scores.__dataclass_fields__))
            for name in protocol.metrics
            if f"{name}/ensemble" in host
        },
        {
            name: (host[f"{name}/thresholds/individual"], host[f"{name}/thresholds/ensemble"])
            for name in AT_THRESHOLDS
            if f"{name}/thresholds/ensemble" in host
        },
    )


def _filled(
    maps: Float[Array, "member case height width"], cases: int
) -> Float[Array, "member cases height width"]:
    """Returns maps followed by maps of zeros."""
    return jnp.pad(maps, [(0, 0), (0, cases - maps.shape[1]), (0, 0), (0, 0)])


@partial(jax.jit, static_argnames=("protocol", "signed"))
def _scores(
    maps: Float[Array, "member case height width"],
    baseline: Float[Array, "1 case height width"] | None,
    masks: Array | None,
    points: Array | None,
    ignored: Array | None,
    orders: Int[Array, "order member"],
    protocol: metrics.Protocol,
    signed: bool,
) -> dict[str, Float[Array, "... case"]]:
    """Returns all scores by name, such as "iou/individual", with the case axis last."""
    individuals = maps if baseline is None else baseline
    mean_map = metrics.mean_map(maps)
    score = partial(metrics.score, protocol=protocol, signed=signed, ignored=ignored)
    individual = score(individuals, masks, points)
    mean = score(mean_map, masks, points)
    scores = {}
    for metric in mean:
        scores[f"{metric}/individual"] = individual[metric]
        scores[f"{metric}/ensemble"] = mean[metric]
    by_size = metrics.scores_by_size(
        maps, masks, points, orders, protocol, signed=signed, ignored=ignored
    )
    scores |= {f"{metric}/by_size": values for metric, values in by_size.items()}
    if masks is not None:
        stacked = jnp.concatenate([individuals, mean_map[None]])
        applied = metrics.apply_sign(stacked, protocol.sign) if signed else stacked
        still_signed = signed and protocol.sign == "signed"
        for name, values in _at_thresholds(applied, masks, ignored, signed=still_signed).items():
            scores[f"{name}/thresholds/individual"] = jnp.nanmean(values[:-1], axis=0)
            scores[f"{name}/thresholds/ensemble"] = values[-1]
    return scores


@dataclass(frozen=True)
class ChanceScores:
    """Scores of one question by one kind of chance-level maps. NaN where there is no score.

    Attributes:
        scores: By metric.
        thresholds: By "iou", "precision" and "recall", at each of `metrics.THRESHOLDS`. Empty
            without masks.
    """

    scores: Mapping[str, Float[np.ndarray, "case"]]
    thresholds: Mapping[str, Float[np.ndarray, "threshold case"]]


def score_chance(
    split: Split, question: Question, protocol: metrics.Protocol, seed: int
) -> dict[str, ChanceScores]:
    """Scores chance-level baseline maps on the images of a question.

    Args:
        split: The images, for their size.
        question: Images and truth.
        protocol: How maps are scored.
        seed: The seed of the random maps, which depend on it and the image alone.

    Returns:
        Scores by name of the map.
    """
    height, width = split.images.shape[1:3]
    key = jax.random.key(seed)

    def scores(rows: Int[np.ndarray, "case"]) -> dict[str, tuple[dict[str, Array], ...]]:
        ids = split.places[question.images[rows]]
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.asarray(ids))
        gaussian = metrics.centered_gaussian(height, width)
        maps = {
            GAUSSIAN: jnp.broadcast_to(gaussian, (len(rows), height, width)),
            RANDOM: metrics.random_maps(keys, height, width),
        }
        masks, points, ignored = _truth(question, rows)
        return {
            name: (
                metrics.score(each, masks, points, protocol, signed=False, ignored=ignored),
                {} if masks is None else _at_thresholds(each, masks, ignored, signed=False),
            )
            for name, each in maps.items()
        }

    raw = in_chunks_to_host(scores, SCORED_BY_CHANCE, len(question), axis=-1)
    host = jax.tree.map(lambda each: np.asarray(each, np.float64), raw)
    return {name: ChanceScores(*both) for name, both in host.items()}


def _at_thresholds(
    maps: Float[Array, "*lead case height width"],
    masks: Array,
    ignored: Array | None,
    *,
    signed: bool,
) -> dict[str, Float[Array, "*lead threshold case"]]:
    curves = metrics.threshold_curves(maps, masks, signed=signed, ignored=ignored)
    return {name: jnp.moveaxis(getattr(curves, name), -1, -2) for name in AT_THRESHOLDS}
