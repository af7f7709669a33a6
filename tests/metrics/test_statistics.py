import warnings

import numpy as np
import pytest
from scipy import stats

from jaxens.metrics import compare, holm, individual_average
from jaxens.metrics import stars as marks


def draw(n=60, gain=0.1, seed=0):
    rng = np.random.default_rng(seed)
    individual = rng.random(n)
    return individual, individual + rng.normal(gain, 0.3, n)


def test_a_comparison_equals_scipy():
    individual, ensemble = draw()
    ours = compare(individual, ensemble, True)
    t = stats.ttest_rel(ensemble, individual)
    np.testing.assert_allclose([ours.t, ours.p], [t.statistic, t.pvalue], rtol=1e-9)
    assert ours.wilcoxon_p == stats.wilcoxon(ensemble, individual).pvalue
    differences = ensemble - individual
    np.testing.assert_allclose(ours.d_z, differences.mean() / differences.std(ddof=1))
    assert (ours.n, ours.left_out) == (60, 0)
    np.testing.assert_allclose(
        [ours.mean_individual, ours.mean_ensemble, ours.difference],
        [individual.mean(), ensemble.mean(), differences.mean()],
    )


@pytest.mark.parametrize("n", [2, 3, 9, 13, 14])
@pytest.mark.parametrize("ties", [False, True])
def test_the_wilcoxon_test_of_few_images_equals_scipy(n, ties):
    individual, ensemble = draw(n, seed=n)
    if ties:  # and images with equal scores
        individual, ensemble = np.round(3 * individual), np.round(3 * ensemble)
    ours = compare(individual, ensemble, True)
    np.testing.assert_allclose(ours.wilcoxon_p, stats.wilcoxon(ensemble, individual).pvalue)


@pytest.mark.parametrize("gain", [0.2, -0.2])
@pytest.mark.parametrize("higher_is_better", [True, False])
def test_better_follows_the_direction_of_the_metric(gain, higher_is_better):
    ours = compare(*draw(gain=gain), higher_is_better)
    assert ours.difference * gain > 0
    assert ours.better == ((gain > 0) == higher_is_better)


def test_images_without_one_of_the_scores_are_left_out_of_both_means():
    individual, ensemble = draw()
    holed = individual.copy(), ensemble.copy()
    holed[0][3] = holed[1][7] = holed[0][11] = holed[1][11] = np.nan
    kept = np.delete(individual, [3, 7, 11]), np.delete(ensemble, [3, 7, 11])
    ours, expected = compare(*holed, True), compare(*kept, True)
    assert (ours.n, ours.left_out) == (57, 3)
    assert ours.mean_individual == expected.mean_individual
    assert ours.mean_ensemble == expected.mean_ensemble
    assert (ours.p, ours.low) == (expected.p, expected.low)


def test_the_interval_equals_scipys_bootstrap():
    individual, ensemble = draw(200)
    ours = compare(individual, ensemble, True)
    theirs = stats.bootstrap(
        (ensemble - individual,), np.mean, method="percentile", n_resamples=10_000
    ).confidence_interval
    # Two draws of 10,000 resamples agree to some hundredths of the interval's width.
    np.testing.assert_allclose(
        [ours.low, ours.high], [theirs.low, theirs.high], atol=0.05 * (theirs.high - theirs.low)
    )


def test_the_seed_determines_the_interval():
    scores = draw()
    first, again, other = (compare(*scores, True, seed=seed) for seed in [1, 1, 2])
    assert first == again
    assert first.low != other.low
    assert first.p == other.p


def test_the_interval_covers_the_true_difference_about_19_times_in_20():
    covered = 0
    for seed in range(100):
        ours = compare(*draw(40, gain=0.1, seed=seed), True)
        covered += ours.low <= 0.1 <= ours.high
    assert 86 <= covered <= 99


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_images_have_no_test(n):
    scores = np.full(5, np.nan), np.full(5, 0.5)
    scores[0][:n] = 0.25
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = compare(*scores, True)
    assert (ours.n, ours.left_out) == (n, 5 - n)
    assert np.isnan([ours.t, ours.p, ours.wilcoxon_p, ours.d_z, ours.low, ours.high]).all()
    assert ours.better == (n == 1)
    np.testing.assert_equal(ours.difference, 0.25 if n else np.nan)


@pytest.mark.parametrize("gain", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_differences_without_variation_have_no_test(gain, dtype):
    individual = np.random.default_rng(0).random(30).astype(dtype)
    ensemble = individual + dtype(gain)  # 0.1, but for rounding
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = compare(individual, ensemble, True)
    assert np.isnan([ours.t, ours.p, ours.wilcoxon_p, ours.d_z, ours.low, ours.high]).all()
    assert ours.difference == pytest.approx(gain)
    assert ours.better == (gain > 0)


@pytest.mark.parametrize("n", [2, 3, 8, 14, 60])
def test_small_samples_and_ties_raise_no_warning(n):
    individual = np.zeros(n)
    ensemble = np.resize([0.5, 0.0, 0.5, -0.25], n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = compare(individual, ensemble, True)
    assert 0 < ours.p <= 1
    assert 0 < ours.wilcoxon_p <= 1


def test_scores_of_different_lengths_raise():
    with pytest.raises(ValueError, match=r"\(3,\).*\(4,\).*same images"):
        compare(np.zeros(3), np.zeros(4), True)


def test_holm_equals_an_example_computed_by_hand():
    # 0.01 x 4, 0.02 x 3, then 0.03 x 2 and 0.04 x 1, which may not fall below 0.06.
    np.testing.assert_allclose(holm(np.array([0.03, 0.01, 0.04, 0.02])), [0.06, 0.04, 0.06, 0.06])


def test_holm_rejects_what_the_step_down_procedure_rejects():
    rng = np.random.default_rng(0)
    for level in [0.01, 0.05, 0.2]:
        p_values = rng.random(12) ** 4
        rejected = np.zeros(12, bool)
        for step, test in enumerate(np.argsort(p_values)):
            if p_values[test] > level / (12 - step):
                break
            rejected[test] = True
        assert rejected.any()
        assert not rejected.all()
        np.testing.assert_array_equal(holm(p_values) <= level, rejected)


def test_holm_ignores_nan_and_clips_at_one():
    np.testing.assert_allclose(holm(np.array([0.02, np.nan, 0.9, 0.8])), [0.06, np.nan, 1.0, 1.0])
    assert holm(np.array([])).shape == (0,)
    assert np.isnan(holm(np.array([np.nan, np.nan]))).all()


def test_stars_are_those_of_the_paper():
    levels = [0.5, 0.01, 0.0099, 1e-4, 0.99e-4, 0.0, float("nan")]
    assert [marks(p) for p in levels] == ["", "", "**", "**", "****", "****", ""]


def test_the_individual_average_is_over_the_members_that_have_a_score():
    nan = np.nan
    scores = np.array([[1.0, nan, nan], [2.0, 4.0, nan], [6.0, 5.0, nan]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, missing = individual_average(scores)
    np.testing.assert_array_equal(mean, [3.0, 4.5, nan])
    np.testing.assert_array_equal(missing, [0, 1, 3])
    assert mean.dtype == np.float64
