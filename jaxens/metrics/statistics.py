"""Paired statistics of the ensemble's scores against its members', in float64 on the host."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from scipy import stats

NAN = float("nan")
RESAMPLES = 10_000
CONFIDENCE = 0.95
FEW = 13  # images: these have fewer combinations of signs than `stats.permutation_test` tries


@dataclass(frozen=True)
class Comparison:
    """Scores of the same images, explained by individual members and by the ensemble.

    A value that the data do not determine is NaN.

    Attributes:
        n: Images for which both have a score.
        left_out: Images for which at least one has none.
        mean_individual: Over the `n` images.
        mean_ensemble: Over the `n` images.
        difference: Ensemble minus individual, also where a lower score is better.
        low: The lower bound of the 95 % confidence interval of the difference.
        high: The upper bound.
        t: The t statistic of the paired t-test, with n - 1 degrees of freedom.
        p: The p-value of the paired t-test, two-sided.
        wilcoxon_p: The p-value of the Wilcoxon signed-rank test, two-sided.
        d_z: The effect size: the mean of the differences over their standard deviation.
        better: Whether the ensemble's mean is the better one.
    """

    n: int
    left_out: int
    mean_individual: float
    mean_ensemble: float
    difference: float
    low: float
    high: float
    t: float
    p: float
    wilcoxon_p: float
    d_z: float
    better: bool


def compare(
    individual: Float[np.ndarray, " image"],
    ensemble: Float[np.ndarray, " _image"],
    higher_is_better: bool,
    seed: int = 0,
) -> Comparison:
    """Compares the scores of individual members with those of the ensemble, image by image.

    The paired t-test is the paper's test. The Wilcoxon test drops images with equal scores. The
    confidence interval is a percentile bootstrap of the mean difference with 10,000 resamples.

    Args:
        individual: A score per image; NaN where there is none. See `individual_average`.
        ensemble: The scores of the mean map, for the same images in the same order.
        higher_is_better: The direction of the metric, as in `METRICS`.
        seed: The seed of the resamples.

    Returns:
        The comparison. Tests, effect size and interval are NaN for fewer than two images, and
        for differences that vary by no more than the rounding of float32 scores.

    Raises:
        ValueError: If the two differ in length.
    """
    if np.shape(individual) != np.shape(ensemble):
        raise ValueError(
            f"scores of shapes {np.shape(individual)} and {np.shape(ensemble)} cannot be paired: "
            "give one score per image, of the same images in the same order"
        )
    a, b = np.asarray(individual, np.float64), np.asarray(ensemble, np.float64)
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    differences = b - a
    difference = _mean(differences)
    t = p = wilcoxon_p = d_z = low = high = NAN
    if _varies(differences, a, b):
        d_z = difference / float(np.std(differences, ddof=1))
        t = d_z * len(a) ** 0.5
        p = float(2 * stats.t.sf(abs(t), len(a) - 1))
        wilcoxon_p = _wilcoxon_p(differences)
        low, high = _bootstrap_interval(differences, seed)
    return Comparison(
        n=len(a),
        left_out=int(np.sum(~both)),
        mean_individual=_mean(a),
        mean_ensemble=_mean(b),
        difference=difference,
        low=low,
        high=high,
        t=t,
        p=p,
        wilcoxon_p=wilcoxon_p,
        d_z=d_z,
        better=difference > 0 if higher_is_better else difference < 0,
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else NAN


def _wilcoxon_p(differences: np.ndarray) -> float:
    if len(differences) > FEW:
        return float(stats.wilcoxon(differences).pvalue)
    # SciPy also tries every combination of signs of a small sample with ties, but calls Python
    # for each, which takes a second.
    ranks = stats.rankdata(np.abs(differences)) - np.sum(differences == 0)
    signed = np.sign(differences) * ranks
    return float(stats.permutation_test((signed,), np.sum, permutation_type="samples").pvalue)


def _varies(differences: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    if len(differences) < 2:
        return False
    rounding = 4 * np.finfo(np.float32).eps * max(np.abs(a).max(), np.abs(b).max())
    return bool(np.ptp(differences) > rounding)


def _bootstrap_interval(differences: np.ndarray, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    n = len(differences)
    # 100 at a time: all resamples of 10,000 images would take 800 MB.
    means = [
        differences[rng.integers(n, size=(100, n))].mean(axis=1) for _ in range(RESAMPLES // 100)
    ]
    return percentile_interval(np.concatenate(means))


def percentile_interval(resampled: Float[np.ndarray, " resample"]) -> tuple[float, float]:
    """Returns the bounds between which 95 % of the resampled values lie; NaN are left out."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def percentile_p(resampled: Float[np.ndarray, " resample"]) -> float:
    """Returns the two-sided p-value of zero: the level at which the interval excludes it."""
    beyond = min(np.sum(resampled <= 0), np.sum(resampled >= 0))
    return float(min(1.0, 2 * (beyond + 1) / (len(resampled) + 1)))


def holm(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Holm's correction of p-values for multiple tests.

    Holm 1979: the k-th smallest of m p-values is multiplied by m - k + 1, clipped at 1, and is
    at least as large as the one before.

    Args:
        p_values: The p-values of all tests in one table. NaN is not counted as a test.

    Returns:
        The adjusted p-values in the same order; NaN stays NaN.
    """
    p_values = np.asarray(p_values, np.float64)
    tests = np.flatnonzero(~np.isnan(p_values))
    order = tests[np.argsort(p_values[tests])]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.full_like(p_values, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def stars(p: float) -> str:
    """Returns the marks of the paper's tables: ** for p < 0.01, **** for p < 0.0001."""
    if p < 1e-4:
        return "****"
    return "**" if p < 0.01 else ""


def individual_average(
    scores: Float[np.ndarray, "member image"],
) -> tuple[Float[np.ndarray, " image"], Integer[np.ndarray, " image"]]:
    """Returns the individuals' average score of each image, Ind-Avg in the paper.

    A member without a score is left out of the image's mean. (Leaving out the image instead
    would drop more images in larger ensembles.)

    Args:
        scores: NaN where there is no score.

    Returns:
        The mean over the members that have a score (NaN if none has), and the number of members
        that have none.
    """
    scores = np.asarray(scores, np.float64)
    scored = ~np.isnan(scores)
    count = scored.sum(axis=0)
    total = np.where(scored, scores, 0).sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean, len(scores) - count
