"""Our numbers for the rows of the paper, from the files of evaluations and predictions."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

from jaxens import metrics
from jaxens.metrics import METRICS
from jaxens.reproduction.comparing import Numbers
from jaxens.untrusted import read_arrays

NAN = float("nan")


def numbers_of(evaluation: Path, method: str, metric: str) -> Numbers | None:
    """Returns the scores of a method by a metric; None if the evaluation has none.

    The questions of a multilabel task are pooled: each pair of an image and a label that it has
    is one case, as in one table of the paper for five labels. The bootstrap over images and
    members draws all cases of an image together.

    Args:
        evaluation: The folder of the evaluation.
        method: Name in `METHODS`.
        metric: Name in `METRICS`.
    """
    individual, ensemble, ids = [], [], []
    scores = read_arrays(evaluation / "scores.npz")
    for name in scores:
        if name.endswith(f"/{method}/{metric}/ensemble"):
            ensemble.append(scores[name])
            individual.append(scores[f"{name.removesuffix('ensemble')}individual"])
            ids.append(scores[f"{name.rsplit('/', 3)[0]}/images"])
    if not ensemble:
        return None
    return _compared(
        np.concatenate(individual, axis=1),
        np.concatenate(ensemble),
        np.concatenate(ids),
        METRICS[metric].higher_is_better,
        _chance(evaluation, metric),
    )


def _compared(
    individual: Float[np.ndarray, "individual case"],
    ensemble: Float[np.ndarray, " case"],
    images: Shaped[np.ndarray, " case"],
    higher_is_better: bool,
    chance: float | None,
) -> Numbers:
    mean, _ = metrics.individual_average(individual)
    compared = metrics.compare(mean, ensemble, higher_is_better)
    # One individual, as that trained on all data, is not a sample of members.
    several = len(individual) > 1
    crossed = metrics.compare_crossed(individual, ensemble, groups=images) if several else None
    return Numbers(
        compared.mean_individual,
        compared.mean_ensemble,
        compared.p,
        compared.n,
        crossed,
        chance,
    )


def _chance(evaluation: Path, metric: str) -> float | None:
    """Returns the mean score of the best chance-level map over all cases."""
    total: dict[str, list[tuple[float, int]]] = {}
    for row in _table(evaluation / "chance.csv"):
        if row["metric"] == metric:
            total.setdefault(row["map"], []).append((float(row["mean"]), int(row["n"])))
    means = [sum(mean * n for mean, n in rows) / sum(n for _, n in rows) for rows in total.values()]
    best = max if METRICS[metric].higher_is_better else min
    return best(means, default=None)


@dataclass(frozen=True)
class SizeCurve:
    """The score of the mean map by the number of members in it.

    Attributes:
        mean: For 1, 2, ... members.
        low: The lower bound of a 95 % band.
        high: The upper bound.
        individual: The average of the individual members.
        n: Number of cases.
    """

    mean: Float[np.ndarray, " size"]
    low: Float[np.ndarray, " size"]
    high: Float[np.ndarray, " size"]
    individual: float
    n: int

    @property
    def share_of_half(self) -> float:
        """The share of the whole gain that half of the members give.

        NaN without a gain of at least a thousandth: a share of less is noise.
        """
        gain = self.mean[-1] - self.mean[0]
        half = self.mean[(len(self.mean) + 1) // 2 - 1] - self.mean[0]
        return float(half / gain) if gain >= 0.001 else NAN


def size_curve(evaluation: Path, method: str, metric: str) -> SizeCurve | None:
    """Returns a curve, pooled over the questions; None if the evaluation has none.

    Its band takes the questions for independent.
    """
    rows = [
        row
        for row in _table(evaluation / "sizes.csv")
        if (row["method"], row["metric"]) == (method, metric)
    ]
    if not rows:
        return None
    by_question: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        by_question.setdefault(row["question"], []).append(row)
    count = np.array([int(of[0]["n"]) for of in by_question.values()])
    weight = count / count.sum()

    def column(name: str) -> np.ndarray:
        return np.array([[float(row[name]) for row in of] for of in by_question.values()])

    mean = weight @ column("mean")
    below, above = (
        np.sqrt(weight**2 @ (column(name) - column("mean")) ** 2) for name in ("low", "high")
    )
    individual = float(weight @ column("individual")[:, 0])
    return SizeCurve(mean, mean - below, mean + above, individual, int(count.sum()))


@dataclass(frozen=True)
class LabelAuc:
    """The areas under the ROC curve of one label.

    Attributes:
        label: The label.
        members: The mean over the members.
        ensemble: Of the members' mean probability.
        delong: The median member compared with the ensemble, by the test of DeLong.
        bootstrap: The same by a bootstrap over images.
    """

    label: str
    members: float
    ensemble: float
    delong: metrics.AucComparison
    bootstrap: metrics.AucComparison


def auc_of(predictions: Path) -> tuple[Numbers, Sequence[LabelAuc]]:
    """Returns the mean AUC of members and ensemble, and the areas of each label.

    The p-value is that of a paired t-test over the labels.

    Args:
        predictions: A file with `members` [member, image, label] and `labels` [image, label].
    """
    saved = read_arrays(predictions)
    members, labels, names = (saved[name] for name in ("members", "labels", "classes"))
    by_label = [
        _label_auc(str(name), members[:, :, k], labels[:, k]) for k, name in enumerate(names)
    ]
    known = [each for each in by_label if not np.isnan(each.ensemble)]
    ind, ens = (np.array([getattr(each, of) for each in known]) for of in ("members", "ensemble"))
    p = float(stats.ttest_rel(ens, ind).pvalue) if len(known) > 1 and np.ptp(ens - ind) else NAN
    ind_avg, ens_avg = (float(each.mean()) if len(known) else NAN for each in (ind, ens))
    return Numbers(ind_avg, ens_avg, p, len(known), chance=0.5), by_label


def _label_auc(name: str, members: np.ndarray, labels: np.ndarray) -> LabelAuc:
    areas = np.array([metrics.delong(each, each, labels).first for each in members])
    ensemble = members.mean(axis=0)
    median = members[np.argsort(areas)[(len(areas) - 1) // 2]]
    return LabelAuc(
        name,
        float(areas.mean()),
        metrics.delong(ensemble, ensemble, labels).first,
        metrics.delong(median, ensemble, labels),
        metrics.bootstrap_auc(median, ensemble, labels),
    )


def _table(path: Path) -> list[Mapping[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
