"""The ensemble's gain over images *and* members, which are both samples."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxens.metrics.statistics import NAN, RESAMPLES, percentile_interval, percentile_p

AT_ONCE = 500  # resamples, which bounds memory


@dataclass(frozen=True)
class CrossedComparison:
    """The ensemble's scores minus the members', where images share members.

    A value that the data do not determine is NaN.

    Attributes:
        members: Number of members.
        images: Number of images (or of groups) with a score of the ensemble and of at least one
            member.
        difference: Mean of ensemble minus member, over all pairs of image and member.
        low: The lower bound of its 95 % confidence interval.
        high: The upper bound.
        p: The two-sided p-value of a difference of zero.
    """

    members: int
    images: int
    difference: float
    low: float
    high: float
    p: float


def compare_crossed(
    individual: Float[np.ndarray, "member image"],
    ensemble: Float[np.ndarray, " _image"],
    seed: int = 0,
    groups: Shaped[np.ndarray, " _image"] | None = None,
) -> CrossedComparison:
    """Compares members with their ensemble by a bootstrap over images and members at once.

    `compare` keeps the members fixed. Its interval says how much the result would vary with
    other images. This interval says how much it would vary with other images and other members,
    so it is wider. Each resample draws members and images independently, with replacement: the
    pigeonhole bootstrap of Owen (2007), whose intervals are slightly too wide. The ensemble's
    scores are those of the mean map of all members; they are not computed again for a resample.

    Args:
        individual: The members' scores, NaN where there is none.
        ensemble: The scores of the mean map, for the same images.
        seed: The seed of the resamples.
        groups: Numbers or names; scores of one group are drawn together. They are scores of the
            same image, such as for several labels, and not independent (default: each is alone).

    Returns:
        The comparison. Interval and p-value are NaN for fewer than two members or images.

    Raises:
        ValueError: If the numbers of images differ.
    """
    individual, ensemble = np.asarray(individual, np.float64), np.asarray(ensemble, np.float64)
    if individual.ndim != 2 or individual.shape[1:] != ensemble.shape:
        raise ValueError(
            f"scores of shapes {individual.shape} and {ensemble.shape} cannot be compared: give "
            "[member, image] and [image], of the same images in the same order"
        )
    differences = ensemble - individual
    scored = ~np.isnan(differences).all(axis=0)
    differences = differences[:, scored]
    alone = np.arange(len(ensemble))
    of_group = np.unique(
        (alone if groups is None else np.asarray(groups))[scored], return_inverse=True
    )
    members, images = len(differences), len(of_group[0])
    difference = float(np.nanmean(differences)) if differences.size else NAN
    low = high = p = NAN
    if members > 1 and images > 1:
        means = resampled_means(differences, seed, of_group[1])
        (low, high), p = percentile_interval(means), percentile_p(means)
    return CrossedComparison(members, images, difference, low, high, p)


def resampled_means(
    values: Float[np.ndarray, "row column"],
    seed: int,
    groups: Int[np.ndarray, " column"] | None = None,
) -> Float[np.ndarray, " resample"]:
    """Returns the means of resamples whose rows and columns are drawn independently.

    Args:
        values: At least one; NaN is left out of the means.
        seed: The seed of the resamples.
        groups: From 0 on; columns of one group are drawn together (default: each is alone).

    Returns:
        The means of 10,000 resamples; NaN where a resample has no value.
    """
    known = ~np.isnan(values)
    values = np.where(known, values, 0)
    if groups is None:
        groups = np.arange(values.shape[1])
    means = []
    for of_rows, of_groups in _draws(seed, len(values), int(groups.max()) + 1):
        of_columns = of_groups[:, groups]
        total = np.sum((of_rows @ values) * of_columns, axis=1)
        count = np.sum((of_rows @ known) * of_columns, axis=1)
        means.append(np.divide(total, count, out=np.full(AT_ONCE, NAN), where=count > 0))
    return np.concatenate(means)


@lru_cache(maxsize=4)  # the methods of a table have the same images
def _draws(seed: int, rows: int, columns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns how often each resample has each row and each column."""
    rng = np.random.default_rng(seed)
    return [
        (
            rng.multinomial(rows, np.full(rows, 1 / rows), AT_ONCE),
            rng.multinomial(columns, np.full(columns, 1 / columns), AT_ONCE).astype(np.uint16),
        )
        for _ in range(RESAMPLES // AT_ONCE)
    ]
