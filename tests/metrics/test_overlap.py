from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import metrics
from jaxens.metrics.inputs import check_mask_dtype, count
from tests.metrics.cases import BROKEN_VALUES, SIZES, broken, random_map, random_mask


def plain_intersection_union(map, mask, threshold, signed):
    map = map.astype(np.float64)
    scaled = map / np.abs(map).max() if signed else (map - map.min()) / (map.max() - map.min())
    intersection = union = 0
    for value, marked in zip(scaled.ravel(), mask.ravel(), strict=True):
        intersection += value >= threshold and marked
        union += value >= threshold or marked
    return intersection, union


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("size", "threshold"), [("square", 0.3), ("tall", 0.7), ("wide", 0.7), ("odd", 0.3)]
)
def test_intersection_union_and_iou_equal_a_loop_over_pixels(size, signed, threshold):
    map, mask = random_map(SIZES[size], signed=signed), random_mask(SIZES[size])
    intersection, union = plain_intersection_union(map, mask, threshold, signed)
    ours = metrics.intersection_union(map, mask, threshold, signed=signed)
    assert (float(ours[0]), float(ours[1])) == (intersection, union)
    np.testing.assert_allclose(
        metrics.iou(map, mask, threshold, signed=signed), intersection / union, rtol=1e-6
    )


def test_the_default_threshold_is_0_3_of_the_normalized_range():
    map = np.array([[0.0, 29.0, 31.0, 100.0]], np.float32)
    mask = np.array([[False, True, True, False]])
    intersection, union = metrics.intersection_union(map, mask, signed=False)
    assert (float(intersection), float(union)) == (1, 3)
    # An offset does not change the region of an unsigned map.
    assert float(metrics.iou(map - 50, mask, signed=False)) == pytest.approx(1 / 3)


def test_a_value_at_the_threshold_belongs_to_the_region():
    map = np.array([[0.0, 1.0, 2.0]], np.float32)
    assert float(metrics.iou(map, map > 0, threshold=0.5, signed=False)) == 1


def test_the_region_of_a_signed_map_is_evidence_for_the_target():
    map = np.array([[-1.0, -0.2, 0.0, 0.2, 0.5]], np.float32)
    mask = np.array([[True, True, False, False, True]])
    intersection, union = metrics.intersection_union(map, mask, signed=True)
    assert (float(intersection), float(union)) == (1, 3)


def test_a_signed_map_with_no_evidence_for_the_target_has_an_empty_region():
    map, mask = -1 - random_map((8, 8)), random_mask((8, 8))
    intersection, union = metrics.intersection_union(map, mask, signed=True)
    assert (float(intersection), float(union)) == (0, mask.sum())
    assert float(metrics.iou(map, mask, signed=True)) == 0


def test_a_full_mask_and_a_mask_of_one_pixel_are_scored():
    map = np.zeros((10, 10), np.float32)
    map[3:5, 3:5] = 1
    one = np.zeros((10, 10), bool)
    one[3, 3] = True
    assert float(metrics.iou(map, np.ones((10, 10), bool), signed=False)) == pytest.approx(4 / 100)
    assert float(metrics.iou(map, one, signed=False)) == pytest.approx(1 / 4)
    assert float(metrics.iou(map, map > 0, signed=False)) == 1


@pytest.mark.parametrize("signed", [False, True])
def test_constant_maps_and_empty_masks_have_no_score(signed):
    map, mask = random_map((8, 8)), random_mask((8, 8))
    for unscored in [
        (np.full((8, 8), 0.1, np.float32), mask),
        (np.zeros((8, 8), np.float32), mask),
        (map, np.zeros((8, 8), bool)),
    ]:
        assert np.isnan(metrics.iou(*unscored, signed=signed))
        assert np.isnan(metrics.intersection_union(*unscored, signed=signed)).all()


@pytest.mark.parametrize("value", BROKEN_VALUES)
def test_a_value_that_is_not_finite_makes_only_the_score_of_its_map_nan(value):
    map, mask = random_map((8, 8)), random_mask((8, 8))
    ious = metrics.iou(np.stack([map, broken(map, value)]), mask, signed=False)
    assert list(np.isnan(ious)) == [False, True]


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (3, 9000), (2100, 2100)])
def test_pixels_are_counted_exactly(size):
    for mask in (random_mask(size, density=0.9), np.ones(size, bool)):
        assert int(count(jnp.asarray(mask))) == mask.sum()


def test_maps_of_members_share_the_masks_of_their_images():
    maps, masks = random_map((9, 11), 3, 4), random_mask((9, 11), 4)
    ious = metrics.iou(maps, masks, signed=False)
    for member in range(3):
        for image in range(4):
            np.testing.assert_array_equal(
                ious[member, image], metrics.iou(maps[member, image], masks[image], signed=False)
            )
    np.testing.assert_array_equal(
        ious, jax.vmap(partial(metrics.iou, signed=False), in_axes=(0, None))(maps, masks)
    )


def test_one_map_is_scored_against_many_masks():
    map, masks = random_map((9, 11)), random_mask((9, 11), 4)
    np.testing.assert_array_equal(
        metrics.iou(map, masks, signed=False),
        [metrics.iou(map, mask, signed=False) for mask in masks],
    )


@pytest.mark.parametrize("signed", [False, True])
def test_a_positive_factor_changes_no_score(signed):
    map, mask = random_map((16, 16), signed=signed), random_mask((16, 16))
    for factor in [2.0**-60, 2.0**60]:
        scaled = map * np.float32(factor)
        np.testing.assert_array_equal(
            metrics.iou(scaled, mask, signed=signed), metrics.iou(map, mask, signed=signed)
        )


def test_every_nonzero_integer_marks_a_pixel():
    map, mask = random_map((8, 8)), random_mask((8, 8))
    for marked in [1, 255]:
        np.testing.assert_array_equal(
            metrics.iou(map, mask.astype(np.uint8) * marked, signed=False),
            metrics.iou(map, mask, signed=False),
        )


def test_a_mask_of_another_size_raises_with_both_shapes():
    with pytest.raises(ValueError, match=r"\(2, 8, 9\).*\(9, 8\).*resize"):
        metrics.iou(random_map((8, 9), 2), random_mask((9, 8)), signed=False)


def test_a_float_mask_raises():
    with pytest.raises(ValueError, match=r"float32.*mask > 0\.5"):
        check_mask_dtype(np.dtype(np.float32))
