"""Whether two areas under the ROC curve of the same images differ."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Integer
from scipy import stats

from jaxens.metrics.crossed import resampled_means
from jaxens.metrics.statistics import CONFIDENCE, NAN, percentile_interval, percentile_p


@dataclass(frozen=True)
class AucComparison:
    """Two areas under the ROC curve of the same images.

    A value that the data do not determine is NaN.

    Attributes:
        positives: Number of positive images.
        negatives: Number of negative images.
        first: The area of the first scores.
        second: The area of the second scores.
        difference: Second minus first.
        low: The lower bound of the 95 % confidence interval of the difference.
        high: The upper bound.
        p: The two-sided p-value of equal areas.
    """

    positives: int
    negatives: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def delong(
    first: Float[np.ndarray, " image"],
    second: Float[np.ndarray, " _image"],
    labels: Integer[np.ndarray, " _image"],
) -> AucComparison:
    """Compares two areas under the ROC curve by the test of DeLong et al. (1988).

    Args:
        first: Scores of the positive class.
        second: Other scores of the same images.
        labels: 1 positive, 0 negative, -1 missing.

    Returns:
        The areas, their difference, and its normal interval and p-value. Interval and p-value are
        NaN if there are fewer than two positive or two negative images, or if both scores rank the
        images alike.

    Raises:
        ValueError: If the three differ in length.
    """
    areas, differences = _areas(first, second, labels)
    positives, negatives = differences.shape
    low = high = p = NAN
    if min(positives, negatives) > 1:
        error = float(
            np.sqrt(
                differences.mean(axis=1).var(ddof=1) / positives
                + differences.mean(axis=0).var(ddof=1) / negatives
            )
        )
        if error > 0:
            reach = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * error
            low, high = areas.difference - reach, areas.difference + reach
            p = float(2 * stats.norm.sf(abs(areas.difference) / error))
    return replace(areas, low=low, high=high, p=p)


def bootstrap_auc(
    first: Float[np.ndarray, " image"],
    second: Float[np.ndarray, " _image"],
    labels: Integer[np.ndarray, " _image"],
    seed: int = 0,
) -> AucComparison:
    """Compares two areas under the ROC curve by a bootstrap over images.

    It resamples positives and negatives apart, so that their numbers stay (10,000 times). It
    needs no normal approximation, as `delong` does.

    Args:
        first: Scores of the positive class.
        second: Other scores of the same images.
        labels: 1 positive, 0 negative, -1 missing.
        seed: The seed of the resamples.

    Returns:
        The areas, their difference, and its percentile interval and p-value. These two are NaN
        without positives or negatives.

    Raises:
        ValueError: If the three differ in length.
    """
    areas, differences = _areas(first, second, labels)
    if not differences.size or np.isnan(areas.difference):
        return areas
    resampled = resampled_means(differences, seed)
    low, high = percentile_interval(resampled)
    return replace(areas, low=low, high=high, p=percentile_p(resampled))


def _areas(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray
) -> tuple[AucComparison, Float[np.ndarray, "positive negative"]]:
    """Returns the areas without a test, and the difference that each pair of images makes."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    labels = np.asarray(labels)
    if not first.shape == second.shape == labels.shape or labels.ndim != 1:
        raise ValueError(
            f"scores of shapes {first.shape} and {second.shape} and labels of shape "
            f"{labels.shape} do not match: give one of each per image"
        )
    wins = [_wins(scores[labels == 1], scores[labels == 0]) for scores in (first, second)]
    one, two = (float(win.mean()) if win.size else NAN for win in wins)
    positives, negatives = wins[0].shape
    areas = AucComparison(positives, negatives, one, two, two - one, NAN, NAN, NAN)
    return areas, wins[1] - wins[0]


def _wins(positive: np.ndarray, negative: np.ndarray) -> Float[np.ndarray, "positive negative"]:
    """Returns 1 where a positive image scores above a negative one, 1/2 where they tie."""
    positive = positive[:, None]
    wins = (positive > negative) + 0.5 * (positive == negative)
    return np.where(np.isnan(positive) | np.isnan(negative), NAN, wins)
