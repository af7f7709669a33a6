"""Accuracy and the area under the ROC curve. A label of -1 is missing and left out."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Integer

from jaxens.metrics.inputs import ArrayLike, as_float, with_axes


@jax.jit
def accuracy(
    logits: Float[ArrayLike, "*#lead image class"], labels: Integer[ArrayLike, "*#lead image"]
) -> Float[Array, "*#lead"]:
    """The fraction of labelled images whose largest logit is at their label.

    Logits `[member, image, class]` with labels `[image]` give a value per member. NaN if no
    image has a label, or a labelled image has a logit that is NaN: a member that diverged has
    no accuracy.
    """
    axes = max(logits.ndim - 1, labels.ndim)
    answers = with_axes(jnp.argmax(logits, axis=-1), axes)
    no_answer = with_axes(jnp.any(jnp.isnan(logits), axis=-1), axes)
    labels = with_axes(jnp.asarray(labels, answers.dtype), axes)
    known = labels >= 0
    broken = jnp.any(known & no_answer, axis=-1)
    hits = jnp.sum(known & (answers == labels), axis=-1)
    return jnp.where(broken, jnp.nan, hits / jnp.sum(known, axis=-1))


@jax.jit
def auc(
    scores: Float[ArrayLike, "*#lead image"], labels: Integer[ArrayLike, "*#lead image"]
) -> Float[Array, "*#lead"]:
    """The area under the ROC curve of a binary label: 1 yes, 0 no.

    It is the chance that an image with the label scores above one without it, a tie counting
    one half (the Mann-Whitney statistic). NaN if either kind is absent, or a labelled image's
    score is NaN.
    """
    return jnp.vectorize(_auc, signature="(n),(n)->()")(as_float(scores), jnp.asarray(labels))


def _auc(scores: Float[Array, " image"], labels: Integer[Array, " image"]) -> Float[Array, ""]:
    yes, no = labels == 1, labels == 0
    absent = jnp.sum(no)
    # Those without the label in order; all others stand behind them, at infinity.
    ordered = jnp.sort(jnp.where(no, scores, jnp.inf))
    below = jnp.searchsorted(ordered, scores, side="left")
    up_to = jnp.minimum(jnp.searchsorted(ordered, scores, side="right"), absent)
    beaten = (below + up_to) / (2 * absent)
    broken = jnp.any((yes | no) & jnp.isnan(scores))
    return jnp.where(broken, jnp.nan, jnp.sum(jnp.where(yes, beaten, 0)) / jnp.sum(yes))


@jax.jit
def mean_auc(
    scores: Float[ArrayLike, "*#lead image label"],
    labels: Integer[ArrayLike, "*#lead image label"],
) -> Float[Array, "*#lead"]:
    """The mean `auc` over the labels of a multilabel task.

    Labels that all images have, or none, have no curve and are left out; NaN if no label is
    left, or a labelled image's score is NaN.
    """
    axes = max(scores.ndim, labels.ndim)
    scores, labels = with_axes(as_float(scores), axes), with_axes(jnp.asarray(labels), axes)
    areas = auc(jnp.swapaxes(scores, -1, -2), jnp.swapaxes(labels, -1, -2))
    broken = jnp.any((labels >= 0) & jnp.isnan(scores), axis=(-2, -1))
    return jnp.where(broken, jnp.nan, jnp.nanmean(areas, axis=-1))
