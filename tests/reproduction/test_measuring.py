"""Our numbers come from the files of an evaluation."""

import csv
import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from jaxens.reproduction.measuring import auc_of, numbers_of, size_curve


@pytest.fixture
def folder(tmp_path):
    """Two labels with 6 and 4 cases, three members."""
    rng = np.random.default_rng(0)
    scores = {}
    for label, count in (("crest", 6), ("eye", 4)):
        scores[f"{label}/images"] = np.array([f"{i}.png" for i in range(count)])
        for method in ("lime", "grad_cam"):
            scores[f"{label}/{method}/iou/individual"] = rng.random((3, count))
            scores[f"{label}/{method}/iou/ensemble"] = rng.random(count)
    scores["eye/lime/iou/individual"][1, 2] = np.nan
    np.savez(tmp_path / "scores.npz", **scores)
    rows = [("crest", "iou", "plain", 0.1, 6), ("eye", "iou", "plain", 0.2, 4)]
    rows += [("crest", "iou", "best", 0.3, 6), ("eye", "iou", "best", 0.0, 4)]
    write(tmp_path / "chance.csv", ("question", "metric", "map", "mean", "n"), rows)
    sizes = [
        (label, "iou", "lime", size, mean, mean - 0.03, mean + 0.04, 0.1 * n, n)
        for label, n, start in (("crest", 6, 0.1), ("eye", 4, 0.2))
        for size, mean in ((1, start), (2, start + 0.3), (3, start + 0.4))
    ]
    columns = ("question", "metric", "method", "members", "mean", "low", "high", "individual", "n")
    write(tmp_path / "sizes.csv", columns, sizes)
    return tmp_path


def write(path, columns, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def test_the_labels_of_a_task_are_pooled(folder):
    ours = numbers_of(folder, "lime", "iou")
    scores = np.load(folder / "scores.npz")
    individual, ensemble = (
        np.concatenate([scores[f"{label}/lime/iou/{of}"] for label in ("crest", "eye")], axis=-1)
        for of in ("individual", "ensemble")
    )
    mean = np.nanmean(individual, axis=0)
    np.testing.assert_allclose((ours.ind_avg, ours.ens_avg), (mean.mean(), ensemble.mean()))
    np.testing.assert_allclose(ours.p, stats.ttest_rel(ensemble, mean).pvalue)
    assert ours.n == 10
    assert (ours.crossed.members, ours.crossed.images) == (3, 6)  # four have both labels
    np.testing.assert_allclose(ours.chance, 0.18)  # the better one of 0.14 and 0.18
    assert numbers_of(folder, "saliency", "iou") is None


def test_one_member_trained_on_all_data_has_no_bootstrap_over_members(folder):
    scores = dict(np.load(folder / "scores.npz"))
    single = {k: v[:1] if k.endswith("individual") else v for k, v in scores.items()}
    np.savez(folder / "scores.npz", **single)
    assert numbers_of(folder, "grad_cam", "iou").crossed is None


def test_curves_are_pooled_by_the_number_of_cases(folder):
    curve = size_curve(folder, "lime", "iou")
    np.testing.assert_allclose(curve.mean, [0.14, 0.44, 0.54])
    np.testing.assert_allclose(curve.mean - curve.low, 0.03 * np.hypot(0.6, 0.4))
    np.testing.assert_allclose(curve.high - curve.mean, 0.04 * np.hypot(0.6, 0.4))
    np.testing.assert_allclose(curve.individual, 0.6 * 0.6 + 0.4 * 0.4)
    np.testing.assert_allclose(curve.share_of_half, 0.75)  # 2 of 3 members
    flat = dataclasses.replace(curve, mean=np.array([0.1, 0.1007, 0.1004]))
    assert np.isnan(flat.share_of_half)
    assert size_curve(folder, "saliency", "iou") is None


def test_the_auc_is_the_mean_over_labels_and_members(tmp_path):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, (60, 4))
    members = 1 / (1 + np.exp(-(labels - 0.5 + 2 * rng.normal(size=(5, 60, 4)))))
    np.savez(tmp_path / "p.npz", members=members, labels=labels, classes=np.array(list("abcd")))
    numbers, by_label = auc_of(tmp_path / "p.npz")
    areas = np.array(
        [[roc_auc_score(labels[:, k], member[:, k]) for k in range(4)] for member in members]
    )
    together = np.array([roc_auc_score(labels[:, k], members.mean(0)[:, k]) for k in range(4)])
    np.testing.assert_allclose(numbers.ind_avg, areas.mean())
    np.testing.assert_allclose(numbers.ens_avg, together.mean())
    np.testing.assert_allclose(numbers.p, stats.ttest_rel(together, areas.mean(axis=0)).pvalue)
    assert [each.label for each in by_label] == list("abcd")
    for k, each in enumerate(by_label):
        np.testing.assert_allclose(each.delong.first, np.median(areas[:, k]))
        np.testing.assert_allclose((each.delong.second, each.ensemble), together[k])
