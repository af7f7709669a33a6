"""Accuracy and the area under the ROC curve. A label of -1 is missing, and its image left out."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Integer

from jaxens.arrays import to_float32
from jaxens.metrics.inputs import ArrayLike, with_axes
from jaxens.sharding import with_auto_axes


@jax.jit
def accuracy(
    logits: Float[ArrayLike, "*#lead image class"], labels: Integer[ArrayLike, "*#lead image"]
) -> Float[Array, "*#lead"]:
    """Returns the fraction of the labeled images that are classified correctly; higher is better.

    Args:
        logits: For example [member, image, class].
        labels: Class indices, or -1 where missing; [image] is shared by all members.

    Returns:
        A value per member. NaN if no image has a label, or a labeled image has a NaN logit (the
        member diverged).
    """
    axes = max(logits.ndim - 1, labels.ndim)
    predictions = with_axes(jnp.argmax(logits, axis=-1), axes)
    diverged = with_axes(jnp.any(jnp.isnan(logits), axis=-1), axes)
    labels = with_axes(jnp.asarray(labels, predictions.dtype), axes)
    labeled = labels >= 0
    correct = jnp.sum(labeled & (predictions == labels), axis=-1)
    any_diverged = jnp.any(labeled & diverged, axis=-1)
    return jnp.where(any_diverged, jnp.nan, correct / jnp.sum(labeled, axis=-1))


@with_auto_axes
@jax.jit
def auc(
    scores: Float[ArrayLike, "*#lead image"], labels: Integer[ArrayLike, "*#lead image"]
) -> Float[Array, "*#lead"]:
    """Returns the area under the ROC curve of a binary label; higher is better.

    It is the probability that a positive image scores above a negative one, where a tie counts
    one half (the Mann-Whitney statistic).

    Args:
        scores: Logits or probabilities of the positive class.
        labels: 1 positive, 0 negative, -1 missing.

    Returns:
        A value from 0 to 1 per member. NaN if there is no positive or no negative image, or the
        score of a labeled image is NaN.
    """
    axes = max(scores.ndim, labels.ndim)
    scores, labels = with_axes(to_float32(scores), axes), with_axes(jnp.asarray(labels), axes)
    return jnp.vectorize(_auc, signature="(n),(n)->()")(scores, labels)


def _auc(scores: Float[Array, " image"], labels: Integer[Array, " image"]) -> Float[Array, ""]:
    positive, negative = labels == 1, labels == 0
    negatives = jnp.sum(negative)
    # The negatives in order, followed by all other images at infinity.
    ordered = jnp.sort(jnp.where(negative, scores, jnp.inf))
    below = jnp.searchsorted(ordered, scores, side="left")
    up_to = jnp.minimum(jnp.searchsorted(ordered, scores, side="right"), negatives)
    wins = (below + up_to) / (2 * negatives)
    diverged = jnp.any((positive | negative) & jnp.isnan(scores))
    area = jnp.sum(jnp.where(positive, wins, 0)) / jnp.sum(positive, dtype=wins.dtype)
    return jnp.where(diverged, jnp.nan, area)


@with_auto_axes
@jax.jit
def mean_auc(
    scores: Float[ArrayLike, "*#lead image label"],
    labels: Integer[ArrayLike, "*#lead image label"],
) -> Float[Array, "*#lead"]:
    """Returns the mean of `auc` over the labels of a multilabel task (macro average).

    Args:
        scores: A logit or probability per label.
        labels: 1 positive, 0 negative, -1 missing.

    Returns:
        A value from 0 to 1 per member. A label without both positive and negative images is left
        out. NaN if none remains, or the score of a labeled image is NaN.
    """
    axes = max(scores.ndim, labels.ndim)
    scores, labels = with_axes(to_float32(scores), axes), with_axes(jnp.asarray(labels), axes)
    areas = auc(jnp.swapaxes(scores, -1, -2), jnp.swapaxes(labels, -1, -2))
    diverged = jnp.any((labels >= 0) & jnp.isnan(scores), axis=(-2, -1))
    return jnp.where(diverged, jnp.nan, jnp.nanmean(areas, axis=-1))
