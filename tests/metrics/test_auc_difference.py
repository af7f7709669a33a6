"""Tests of two areas under the ROC curve, against DeLong's formula pair by pair."""

import numpy as np
import pytest
from scipy import stats

from jaxens.metrics import auc, bootstrap_auc, delong


def draw(images=120, gain=0.6, seed=0):
    rng = np.random.default_rng(seed)
    labels = (np.arange(images) % 3 == 0).astype(int)
    shared = rng.normal(0, 1, images)
    first = np.round(labels + shared + rng.normal(0, 1, images), 1)  # with ties
    second = np.round((1 + gain) * labels + shared + rng.normal(0, 0.5, images), 1)
    return first, second, labels


def placements(scores, labels):
    """The share of negatives below each positive, and of positives above each negative."""
    positive, negative = scores[labels == 1], scores[labels == 0]

    def psi(x, y):
        return 1.0 if x > y else 0.5 if x == y else 0.0

    of_positives = [np.mean([psi(x, y) for y in negative]) for x in positive]
    of_negatives = [np.mean([psi(x, y) for x in positive]) for y in negative]
    return np.array(of_positives), np.array(of_negatives)


def test_delong_equals_the_published_formula():
    """Equations 5 to 8 of DeLong et al. 1988: covariances of the placements."""
    first, second, labels = draw()
    one, two = placements(first, labels), placements(second, labels)
    positives, negatives = np.stack([one[0], two[0]]), np.stack([one[1], two[1]])
    covariance = np.cov(positives) / positives.shape[1] + np.cov(negatives) / negatives.shape[1]
    contrast = np.array([-1, 1])
    difference = contrast @ positives.mean(axis=1)
    error = (contrast @ covariance @ contrast) ** 0.5
    ours = delong(first, second, labels)
    np.testing.assert_allclose(ours.p, 2 * stats.norm.sf(abs(difference) / error))
    np.testing.assert_allclose([ours.low, ours.high], stats.norm.interval(0.95, difference, error))


def test_the_areas_are_those_of_auc():
    first, second, labels = draw()
    labels[:7] = -1
    for test in (delong, bootstrap_auc):
        ours = test(first, second, labels)
        np.testing.assert_allclose(ours.first, auc(first, labels), rtol=1e-6)
        np.testing.assert_allclose(ours.second, auc(second, labels), rtol=1e-6)
        assert ours.positives + ours.negatives == 113


def test_the_bootstrap_equals_resampling_of_images():
    first, second, labels = draw()
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    rng = np.random.default_rng(1)
    differences = []
    for _ in range(3000):
        rows = np.concatenate([rng.choice(positive, len(positive)), rng.choice(negative, 80)])
        truth = np.arange(len(rows)) < len(positive)
        areas = [stats.rankdata(scores[rows])[truth].sum() for scores in (first, second)]
        differences.append((areas[1] - areas[0]) / (len(positive) * 80))
    low, high = np.quantile(differences, [0.025, 0.975])
    ours = bootstrap_auc(first, second, labels)
    np.testing.assert_allclose([ours.low, ours.high], [low, high], atol=0.06 * (high - low))


@pytest.mark.slow
def test_the_bootstrap_agrees_with_delong_where_there_are_many_images():
    data = draw(images=600, gain=0.4)
    normal, resampled = delong(*data), bootstrap_auc(*data)
    width = normal.high - normal.low
    np.testing.assert_allclose(
        [resampled.low, resampled.high], [normal.low, normal.high], atol=0.06 * width
    )
    assert (normal.p < 0.05) == (resampled.p < 0.05)


@pytest.mark.parametrize("test", [delong, bootstrap_auc])
def test_equal_scores_do_not_differ(test):
    first, _, labels = draw()
    ours = test(first, first, labels)
    assert ours.difference == 0
    assert np.isnan(ours.p) or ours.p == 1


@pytest.mark.parametrize("test", [delong, bootstrap_auc])
def test_without_positives_or_with_nan_there_is_no_test(test):
    first, second, labels = draw()
    assert np.isnan(test(first, second, np.zeros_like(labels)).p)
    first[4] = np.nan
    ours = test(first, second, labels)
    assert np.isnan([ours.first, ours.difference, ours.p]).all()


@pytest.mark.parametrize("test", [delong, bootstrap_auc])
def test_arrays_of_other_lengths_are_refused(test):
    with pytest.raises(ValueError, match="give one of each per image"):
        test(np.zeros(3), np.zeros(3), np.zeros(4, int))
