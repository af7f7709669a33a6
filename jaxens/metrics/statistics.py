"""Does the ensemble explain better than its members? Paired statistics, in float64 on the host."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from scipy import stats

NAN = float("nan")
RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """The scores of the same images, explained by individual members and by the ensemble.

    `difference` is ensemble minus individual, whichever way is better; `low` and `high` bound
    it with 95 % confidence. What the data cannot tell is NaN.
    """

    n: int  # images that both have a score for
    left_out: int  # images that either has none for
    mean_individual: float
    mean_ensemble: float
    difference: float
    low: float
    high: float
    t: float  # of the paired t-test, n - 1 degrees of freedom
    p: float  # two-sided
    wilcoxon_p: float  # of the signed-rank test, two-sided
    d_z: float  # mean of the differences over their standard deviation
    better: bool  # the ensemble's mean is the better one


def compare(
    individual: Float[np.ndarray, " image"],
    ensemble: Float[np.ndarray, " _image"],
    higher_is_better: bool,
    seed: int = 0,
) -> Comparison:
    """Compares two scores per image, leaving out images where either is NaN.

    The test of the paper is the paired t-test. Beside it stand Wilcoxon's signed-rank test
    (images with equal scores dropped), the effect size d_z, and a percentile bootstrap interval
    of the mean difference (10,000 resamples, drawn from `seed`).

    With fewer than two images, or differences that vary by no more than the rounding of
    float32 scores, tests, effect size and interval are NaN.

    **Raises:** `ValueError` if the two differ in length.
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
        wilcoxon_p = float(stats.wilcoxon(differences).pvalue)
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


def _varies(differences: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    if len(differences) < 2:
        return False
    rounding = 4 * np.finfo(np.float32).eps * max(np.abs(a).max(), np.abs(b).max())
    return bool(np.ptp(differences) > rounding)


def _bootstrap_interval(differences: np.ndarray, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    n = len(differences)
    # A hundred at a time: 10,000 resamples of 10,000 images would take 800 MB.
    means = [
        differences[rng.integers(n, size=(100, n))].mean(axis=1) for _ in range(RESAMPLES // 100)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def holm(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Holm's correction of the p-values of one table; NaN stays NaN and is no test.

    Holm 1979: the k-th smallest of m is multiplied by m - k + 1, at most 1, and never smaller
    than the one before.
    """
    p_values = np.asarray(p_values, np.float64)
    tests = np.flatnonzero(~np.isnan(p_values))
    order = tests[np.argsort(p_values[tests])]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.full_like(p_values, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def stars(p: float) -> str:
    """The marks of the paper's tables: ** below 0.01, **** below 0.0001, else nothing."""
    if p < 1e-4:
        return "****"
    return "**" if p < 0.01 else ""


def individual_average(
    scores: Float[np.ndarray, "member image"],
) -> tuple[Float[np.ndarray, " image"], Integer[np.ndarray, " image"]]:
    """Ind-Avg per image, and how many members have no score for it.

    The mean is over the members that have a score; NaN if none has. (Leaving out every image
    that one member fails on would drop more images the larger the ensemble is.)
    """
    scores = np.asarray(scores, np.float64)
    scored = ~np.isnan(scores)
    count = scored.sum(axis=0)
    total = np.where(scored, scores, 0).sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean, len(scores) - count
