from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_score, recall_score

from jaxens import metrics
from jaxens.metrics.thresholds import THRESHOLDS, average_precision, threshold_curves
from tests.metrics.cases import BROKEN_VALUES, SIZES, broken, random_map, random_mask

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_precision_and_recall_equal_scikit_learn_at_each_threshold(size, signed):
    map, mask = random_map(size, signed=signed), random_mask(size)
    curves = threshold_curves(map, mask, signed=signed)
    scaled = metrics.normalize(map, signed=signed)
    truth = mask.ravel()
    for k, threshold in enumerate(THRESHOLDS):
        region = np.asarray(scaled >= threshold).ravel()
        precision = precision_score(truth, region, zero_division=np.nan)
        np.testing.assert_allclose(curves.precision[k], precision, rtol=1e-6)
        np.testing.assert_allclose(curves.recall[k], recall_score(truth, region), rtol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_the_iou_curve_equals_iou_at_each_threshold(signed):
    maps, masks = random_map((20, 15), 2, 3, signed=True), random_mask((20, 15), 3)
    thresholds = np.array([0.1, 0.3, 0.31, 0.7, 1.0], np.float32)
    curves = threshold_curves(maps, masks, thresholds, signed=signed)
    each = [metrics.iou(maps, masks, float(threshold), signed=signed) for threshold in thresholds]
    np.testing.assert_array_equal(curves.iou, np.stack(each, axis=-1))
    np.testing.assert_array_equal(curves.thresholds, thresholds)


def test_the_sixth_threshold_is_the_default_of_iou():
    maps, masks = random_map((20, 15), 3), random_mask((20, 15), 3)
    curves = threshold_curves(maps, masks, signed=False)
    assert (THRESHOLDS > 0).all()
    assert (THRESHOLDS < 1).all()
    np.testing.assert_array_equal(curves.iou[:, 5], metrics.iou(maps, masks, signed=False))


def test_an_empty_region_has_no_precision_but_a_recall_of_0():
    map, mask = -1 - random_map((8, 8)), random_mask((8, 8))
    curves = threshold_curves(map, mask, signed=True)
    assert np.isnan(curves.precision).all()
    assert not curves.recall.any()
    assert not curves.iou.any()


@pytest.mark.parametrize("levels", [None, 2, 6])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_average_precision_equals_scikit_learn_with_and_without_ties(size, levels):
    map, mask = random_map(size, signed=True), random_mask(size, density=0.2)
    if levels:
        map = np.floor(levels * random_map(size))
    expected = average_precision_score(mask.ravel(), map.ravel())
    np.testing.assert_allclose(average_precision(map, mask), expected, rtol=1e-5)


def test_average_precision_depends_only_on_the_order_of_the_values():
    map, mask = random_map((12, 10)), random_mask((12, 10))
    order = np.argsort(np.argsort(map, axis=None)).reshape(map.shape)
    np.testing.assert_array_equal(average_precision(order - 50, mask), average_precision(map, mask))


def test_a_map_equal_to_its_mask_has_average_precision_1():
    mask = random_mask((10, 6))
    assert float(average_precision(mask.astype(np.float32), mask)) == 1


def test_constant_or_broken_maps_and_empty_masks_have_no_scores():
    map, mask = random_map((8, 8)), random_mask((8, 8))
    bad = [np.full_like(map, 0.1), *(broken(map, value) for value in BROKEN_VALUES)]
    cases = np.stack([map, map, *bad]), np.stack([mask, ~mask & mask, *[mask] * len(bad)])
    curves = threshold_curves(*cases, signed=False)
    for curve in [curves.precision, curves.recall, curves.iou, average_precision(*cases)[:, None]]:
        assert not np.isnan(curve[0]).any()
        assert np.isnan(curve[1:]).all()


def test_maps_of_members_share_the_masks_of_their_images():
    maps, masks = random_map((9, 11), 3, 4), random_mask((9, 11), 4)
    vmapped = jax.vmap(partial(threshold_curves, signed=False), in_axes=(0, None))(maps, masks)
    curves = threshold_curves(maps, masks, signed=False)
    for name in ["precision", "recall", "iou"]:
        assert getattr(curves, name).shape == (3, 4, len(THRESHOLDS))
        np.testing.assert_array_equal(getattr(curves, name), getattr(vmapped, name))
    each = [
        [average_precision_score(k.ravel(), m.ravel()) for m, k in zip(member, masks, strict=True)]
        for member in maps
    ]
    np.testing.assert_allclose(average_precision(maps, masks), each, rtol=1e-5)


def test_bfloat16_maps_are_scored_in_float32():
    maps, mask = jnp.asarray(random_map((40, 40), 2), jnp.bfloat16), random_mask((40, 40))
    curves, full = threshold_curves(maps, mask, signed=False), maps.astype(jnp.float32)
    np.testing.assert_array_equal(curves.iou, threshold_curves(full, mask, signed=False).iou)
    np.testing.assert_array_equal(average_precision(maps, mask), average_precision(full, mask))
    assert curves.precision.dtype == jnp.float32


@pytest.mark.usefixtures("unchecked")
def test_thresholds_without_one_axis_raise():
    with pytest.raises(ValueError, match=r"thresholds has shape \(\): give a list"):
        threshold_curves(random_map((4, 4)), random_mask((4, 4)), np.float32(0.3), signed=False)


def test_a_mask_of_another_size_raises_with_both_shapes():
    for score in [partial(threshold_curves, signed=False), average_precision]:
        with pytest.raises(ValueError, match=r"\(7, 7\).*\(56, 56\)"):
            score(random_map((7, 7)), random_mask((56, 56)))
