import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.metrics.relevance import pointing_game, relevance_mass, relevance_rank
from tests.metrics.cases import BROKEN_VALUES, SIZES, broken, random_map, random_mask

SCORES = [pointing_game, relevance_mass, relevance_rank]


def plain_pointing_game(map, mask, tolerance):
    """The fraction of the maxima within the tolerance of a marked pixel."""
    marked = np.argwhere(mask)
    hits = [
        any(math.dist(maximum, pixel) <= tolerance for pixel in marked)
        for maximum in np.argwhere(map == map.max())
    ]
    return np.mean(hits)


def plain_relevance_rank(map, mask, seed):
    """The relevance rank with ties in random order."""
    tie_breakers = np.random.default_rng(seed).random(map.size)
    order = np.lexsort((tie_breakers, -map.ravel()))
    return mask.ravel()[order[: mask.sum()]].mean()


@pytest.mark.parametrize("tolerance", [0, 1, 2, 5, 40])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_the_pointing_game_equals_a_loop_over_maxima_and_marked_pixels(size, tolerance):
    maps = np.round(random_map(size, 12, signed=True))  # with ties
    masks = random_mask(size, 12, density=0.01)
    expected = [plain_pointing_game(m, k, tolerance) for m, k in zip(maps, masks, strict=True)]
    np.testing.assert_allclose(pointing_game(maps, masks, tolerance), expected, rtol=1e-6)


def test_the_tolerance_is_an_inclusive_euclidean_distance_in_pixels():
    map, mask = np.zeros((9, 12), np.float32), np.zeros((9, 12), bool)
    map[2, 3], mask[5, 7] = 1, True  # three rows and four columns apart
    assert [float(pointing_game(map, mask, t)) for t in [4, 5]] == [0, 1]


def test_the_default_tolerance_is_0():
    map = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert float(pointing_game(map, map == 5)) == 1
    assert float(pointing_game(map, map == 4)) == 0


def test_tied_maxima_score_the_fraction_of_them_in_the_mask():
    map = np.array([[2.0, 2.0, 0.0, 2.0, 2.0]], np.float32)
    mask = np.array([[True, False, True, False, False]])
    assert float(pointing_game(map, mask)) == 0.25


def test_a_negative_tolerance_raises():
    with pytest.raises(ValueError, match="tolerance is -1: give at least 0"):
        pointing_game(random_map((4, 4)), random_mask((4, 4)), tolerance=-1)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_the_relevance_mass_is_the_fraction_of_positive_values_in_the_mask(size, signed):
    map, mask = random_map(size, signed=signed), random_mask(size)
    positive = np.maximum(map.astype(np.float64), 0)
    expected = positive[mask].sum() / positive.sum()
    np.testing.assert_allclose(relevance_mass(map, mask), expected, rtol=1e-5)


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 7.0, 1e35])
def test_a_positive_factor_changes_no_relevance_mass(factor):
    map, mask = random_map((28, 28), signed=True), random_mask((28, 28))
    np.testing.assert_allclose(
        relevance_mass(map * np.float32(factor), mask), relevance_mass(map, mask), rtol=1e-5
    )


def test_a_map_without_positive_values_has_no_relevance_mass():
    assert np.isnan(relevance_mass(-random_map((8, 8)), random_mask((8, 8))))


@pytest.mark.parametrize("density", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_the_relevance_rank_without_ties_is_the_fraction_of_the_top_k_in_the_mask(size, density):
    map, mask = random_map(size, signed=True), random_mask(size, density=density)
    first = np.argsort(-map.ravel())[: mask.sum()]
    np.testing.assert_allclose(relevance_rank(map, mask), mask.ravel()[first].mean(), rtol=1e-6)


def test_tied_pixels_count_in_the_relevance_rank_by_their_probability():
    map = np.array([[3.0, 1.0, 1.0, 1.0, 0.0]], np.float32)
    mask = np.array([[False, True, True, False, True]])
    # The top three are the 3, and two of three tied pixels, of which two are marked.
    assert float(relevance_rank(map, mask)) == pytest.approx((2 / 3) * 2 / 3)


def test_the_relevance_rank_is_the_mean_over_random_orders_of_ties():
    map, mask = np.round(2 * random_map((9, 11))), random_mask((9, 11))
    samples = [plain_relevance_rank(map, mask, seed) for seed in range(4000)]
    assert np.std(samples) > 0.01
    np.testing.assert_allclose(relevance_rank(map, mask), np.mean(samples), atol=2e-3)


@pytest.mark.parametrize("score", SCORES)
def test_the_mask_itself_scores_1_and_its_complement_0(score):
    mask = random_mask((10, 6), density=0.3)
    assert float(score(mask.astype(np.float32), mask)) == pytest.approx(1)
    assert float(score((~mask).astype(np.float32), mask)) == pytest.approx(0)


@pytest.mark.parametrize("score", SCORES)
def test_noise_scores_the_fraction_of_the_image_that_is_marked(score):
    maps, mask = random_map((8, 9), 3000), random_mask((8, 9))
    np.testing.assert_allclose(np.mean(score(maps, mask)), mask.mean(), atol=0.03)


@pytest.mark.parametrize("score", SCORES)
def test_constant_or_broken_maps_and_empty_masks_have_no_score(score):
    map, mask = random_map((8, 8)), random_mask((8, 8))
    assert np.isnan(score(map, np.zeros_like(mask)))
    for value in [0.0, 0.1, -3.0]:
        assert np.isnan(score(np.full_like(map, value), mask))
    scores = score(np.stack([map, *(broken(map, value) for value in BROKEN_VALUES)]), mask)
    assert list(np.isnan(scores)) == [False, True, True, True]


@pytest.mark.parametrize("score", SCORES)
def test_maps_of_members_share_the_masks_of_their_images(score):
    maps, masks = np.round(4 * random_map((9, 11), 3, 4)), random_mask((9, 11), 4)
    each = [[score(m, k) for m, k in zip(member, masks, strict=True)] for member in maps]
    np.testing.assert_allclose(score(maps, masks), each, atol=1e-6)
    vmapped = jax.vmap(score, in_axes=(0, None))(maps, masks)
    np.testing.assert_allclose(vmapped, each, atol=1e-6)
    one_map = score(maps[0, 0], masks)
    np.testing.assert_allclose(one_map, [score(maps[0, 0], k) for k in masks], atol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_bfloat16_maps_are_scored_in_float32(score):
    maps, mask = jnp.asarray(random_map((40, 40), 2), jnp.bfloat16), random_mask((40, 40))
    scores = score(maps, mask.astype(np.uint8))
    assert scores.dtype == jnp.float32
    np.testing.assert_array_equal(scores, score(maps.astype(jnp.float32), mask))


@pytest.mark.parametrize("score", SCORES)
def test_a_mask_of_another_size_raises_with_both_shapes(score):
    with pytest.raises(ValueError, match=r"\(7, 7\).*\(56, 56\)"):
        score(random_map((7, 7)), random_mask((56, 56)))
