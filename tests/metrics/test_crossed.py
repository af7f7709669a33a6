"""`compare_crossed` against resampling in plain loops and a crossed mixed-effects model."""

import numpy as np
import pytest

from jaxens.metrics import compare, compare_crossed


def draw(members=8, images=60, of_member=0.1, of_image=0.2, gain=0.15, seed=0):
    """Scores whose differences have a part of the member, one of the image, and a rest."""
    rng = np.random.default_rng(seed)
    ensemble = rng.random(images)
    effects = rng.normal(0, of_member, (members, 1)) + rng.normal(0, of_image, images)
    return ensemble - gain - effects - rng.normal(0, 0.1, (members, images)), ensemble


def test_the_interval_is_that_of_members_and_images_drawn_with_replacement():
    individual, ensemble = draw()
    individual[2, 5] = individual[0, 7] = ensemble[9] = np.nan
    rng = np.random.default_rng(3)
    means = []
    for _ in range(4000):
        rows = rng.integers(8, size=8)
        columns = rng.integers(60, size=60)
        means.append(np.nanmean((ensemble - individual)[rows][:, columns]))
    low, high = np.quantile(means, [0.025, 0.975])
    ours = compare_crossed(individual, ensemble)
    np.testing.assert_allclose([ours.low, ours.high], [low, high], atol=0.05 * (high - low))
    assert (ours.members, ours.images) == (8, 59)
    np.testing.assert_allclose(ours.difference, np.nanmean(ensemble - individual))


def test_the_spread_is_that_of_two_crossed_random_effects():
    """Of a balanced table, by analysis of variance (Owen 2007: at most slightly larger)."""
    individual, ensemble = draw(members=30, images=200)
    differences = ensemble - individual
    members, images = differences.shape
    rows, columns = differences.mean(axis=1), differences.mean(axis=0)
    rest = differences - rows[:, None] - columns + differences.mean()
    error = np.sum(rest**2) / ((members - 1) * (images - 1))
    variance = rows.var(ddof=1) / members + columns.var(ddof=1) / images - error / differences.size
    ours = compare_crossed(individual, ensemble)
    np.testing.assert_allclose(ours.high - ours.low, 2 * 1.96 * variance**0.5, rtol=0.1)


def test_members_that_differ_widen_the_interval_and_alike_ones_do_not():
    differing, alike = draw(of_member=0.3), draw(of_member=0.0)
    for (individual, ensemble), wider in ((differing, True), (alike, False)):
        crossed = compare_crossed(individual, ensemble)
        paired = compare(individual.mean(axis=0), ensemble, True)
        assert ((crossed.high - crossed.low) > 1.5 * (paired.high - paired.low)) == wider


@pytest.mark.parametrize("gain", [-0.3, -0.02, 0.0, 0.02, 0.3])
def test_p_is_small_where_the_interval_excludes_zero(gain):
    ours = compare_crossed(*draw(gain=gain, of_member=0.05, of_image=0.05))
    assert (ours.p < 0.05) == (not ours.low <= 0 <= ours.high)
    assert (ours.p < 0.05) or abs(gain) < 0.3


@pytest.mark.long
def test_without_a_gain_p_is_below_a_twentieth_at_most_about_once_in_twenty():
    low = sum(compare_crossed(*draw(5, 20, gain=0, seed=s)).p < 0.05 for s in range(60))
    assert low <= 9


@pytest.mark.long
def test_scores_of_one_image_for_several_labels_count_as_one_image():
    """Half of five labels are present; what an image does to one label, it does to all."""
    apart = together = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        present = rng.random((5, 120)) < 0.5
        images = np.nonzero(present)[1]
        gain = rng.normal(0, 0.2, 120)[images]
        ensemble = rng.random(len(images))
        individual = ensemble - gain - rng.normal(0, 0.1, (11, len(images)))
        apart += compare_crossed(individual, ensemble).p < 0.05
        ours = compare_crossed(individual, ensemble, groups=images)
        together += ours.p < 0.05
        assert ours.images == len(np.unique(images))
    assert apart > 5
    assert together <= 4


def test_groups_are_drawn_as_images_whose_scores_are_summed():
    individual, ensemble = draw(images=40)
    groups = np.repeat(np.arange(20), 2)
    ours = compare_crossed(individual, ensemble, groups=groups)
    pairs = (ensemble - individual).reshape(8, 20, 2).mean(axis=-1)
    means = compare_crossed(-pairs, np.zeros(20))
    np.testing.assert_allclose([ours.low, ours.high], [means.low, means.high])
    names = np.array(["a", "b"])[groups % 2]  # any names
    assert compare_crossed(individual, ensemble, groups=names).images == 2


def test_the_seed_determines_the_interval():
    first, again, other = (compare_crossed(*draw(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.low != other.low


@pytest.mark.parametrize(("members", "images"), [(1, 5), (5, 1), (3, 0)])
def test_one_member_or_image_has_no_interval(members, images):
    ours = compare_crossed(np.zeros((members, images)), np.ones(images))
    assert np.isnan([ours.low, ours.high, ours.p]).all()


def test_scores_of_other_images_are_refused():
    with pytest.raises(ValueError, match=r"give \[member, image\] and \[image\]"):
        compare_crossed(np.zeros((3, 4)), np.zeros(5))
