import jax
import numpy as np
import pytest
from scipy.stats import pearsonr

from jaxens import metrics
from tests.metrics.cases import BROKEN_VALUES, SIZES, broken, random_map, random_mask


def overlap(a, b, c, d):
    return max(0.0, min(b, d) - max(a, c))


def plain_area_average(map, size):
    """The integral of a map of unit pixels over each cell, divided by the cell's area."""
    height, width = map.shape
    tall, wide = height / size, width / size
    cells = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            for y in range(int(i * tall), min(height, int((i + 1) * tall) + 1)):
                for x in range(int(j * wide), min(width, int((j + 1) * wide) + 1)):
                    area = overlap(i * tall, (i + 1) * tall, y, y + 1) * overlap(
                        j * wide, (j + 1) * wide, x, x + 1
                    )
                    cells[i, j] += area * float(map[y, x])
    return cells / (tall * wide)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_area_averages_equal_integrals_over_the_cells(size):
    map = random_map(size, signed=True)
    np.testing.assert_allclose(
        metrics.area_average(map, 14), plain_area_average(map, 14), atol=1e-6
    )


def test_area_averages_keep_the_mean_of_a_map():
    map = random_map((64, 50))
    np.testing.assert_allclose(metrics.area_average(map, 14).mean(), map.mean(), rtol=1e-5)


@pytest.mark.parametrize("height", [560, 565])
def test_area_averages_of_large_values_stay_in_the_range_of_float32(height):
    map = np.full((height, 28), 1e38, np.float32)
    np.testing.assert_allclose(metrics.area_average(map, 14), 1e38, rtol=1e-5)


def test_a_grid_of_the_size_of_the_map_is_the_map():
    map = random_map((14, 14), signed=True)
    np.testing.assert_allclose(metrics.area_average(map, 14), map, rtol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("size", "cells"), [("square", 14), ("tall", 5), ("wide", 14), ("odd", 14), ("odd", 5)]
)
def test_correlation_equals_scipy_on_the_averaged_map_and_mask(size, signed, cells):
    map, mask = random_map(SIZES[size], signed=signed), random_mask(SIZES[size])
    expected = pearsonr(
        plain_area_average(map, cells).ravel(), plain_area_average(mask, cells).ravel()
    ).statistic
    np.testing.assert_allclose(metrics.correlation(map, mask, cells), expected, atol=1e-5)


def test_a_map_equal_to_its_mask_has_correlation_1_and_its_negative_minus_1():
    mask = random_mask((30, 20))
    map = mask.astype(np.float32)
    assert float(metrics.correlation(map, mask)) == pytest.approx(1, abs=1e-6)
    assert float(metrics.correlation(-map, mask)) == pytest.approx(-1, abs=1e-6)


def test_a_mask_of_one_pixel_is_scored():
    map, mask = random_map((64, 64)), np.zeros((64, 64), bool)
    mask[10, 50] = True
    expected = pearsonr(
        plain_area_average(map, 14).ravel(), plain_area_average(mask, 14).ravel()
    ).statistic
    np.testing.assert_allclose(metrics.correlation(map, mask), expected, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -0.3, 1e6])
def test_a_constant_map_has_no_correlation(value):
    assert np.isnan(
        metrics.correlation(np.full((64, 50), value, np.float32), random_mask((64, 50)))
    )


@pytest.mark.parametrize("fill", [False, True])
def test_an_empty_or_a_full_mask_has_no_correlation(fill):
    assert np.isnan(metrics.correlation(random_map((64, 50)), np.full((64, 50), fill)))


@pytest.mark.parametrize("values", [(0.1, 0.3), (-1.7, 1e3)])
def test_a_map_that_is_constant_after_averaging_has_no_correlation(values):
    rows, columns = np.indices((84, 84))
    checkers = np.where((rows + columns) % 2, *values).astype(np.float32)
    assert metrics.has_contrast(checkers)
    assert np.isnan(metrics.correlation(checkers, random_mask((84, 84))))


@pytest.mark.parametrize("value", BROKEN_VALUES)
def test_a_value_that_is_not_finite_makes_only_the_score_of_its_map_nan(value):
    map, mask = random_map((20, 20)), random_mask((20, 20))
    scores = metrics.correlation(np.stack([map, broken(map, value)]), mask)
    assert list(np.isnan(scores)) == [False, True]


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 7.0, 1e30])
def test_a_positive_factor_changes_no_correlation(factor):
    map, mask = random_map((28, 28), signed=True), random_mask((28, 28))
    np.testing.assert_allclose(
        metrics.correlation(map * np.float32(factor), mask),
        metrics.correlation(map, mask),
        atol=1e-6,
    )


def test_an_offset_changes_no_correlation():
    map, mask = random_map((28, 28)), random_mask((28, 28))
    np.testing.assert_allclose(
        metrics.correlation(map + 100, mask), metrics.correlation(map, mask), atol=1e-4
    )


def test_maps_of_members_share_the_masks_of_their_images():
    maps, masks = random_map((20, 30), 3, 4), random_mask((20, 30), 4)
    scores = metrics.correlation(maps, masks)
    each = [
        [metrics.correlation(m, k) for m, k in zip(member, masks, strict=True)] for member in maps
    ]
    np.testing.assert_allclose(scores, each, atol=1e-6)
    vmapped = jax.vmap(metrics.correlation, in_axes=(0, None))(maps, masks)
    np.testing.assert_allclose(scores, vmapped, atol=1e-6)


def test_a_map_smaller_than_the_grid_raises():
    with pytest.raises(ValueError, match=r"7 x 28 .*14 x 14.*at most 7"):
        metrics.correlation(random_map((7, 28)), random_mask((7, 28)))


def test_a_mask_of_another_size_raises_with_both_shapes():
    with pytest.raises(ValueError, match=r"\(28, 28\).*\(56, 56\)"):
        metrics.correlation(random_map((28, 28)), random_mask((56, 56)))
