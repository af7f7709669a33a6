"""What is random in LIME: which segments a sample keeps."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jaxens.attribution.lime_variants import VARIANTS
from tests.attribution.lime_cases import COUNT, KEY, KEYS, MASKS, SEGMENTS, draw


def test_draws_keep_half_of_the_segments() -> None:
    masks = np.array(draw(KEY, samples=400, variant="captum"))
    assert masks.shape == (3, 400, COUNT)
    assert masks.dtype == bool
    assert stats.binomtest(int(masks.sum()), masks.size).pvalue > 0.001
    of_pairs = np.corrcoef(masks.reshape(-1, COUNT).T) - np.eye(COUNT)
    assert np.abs(of_pairs).max() < 0.12
    assert stats.binomtest(int((masks[0] == masks[1]).sum()), masks[0].size).pvalue > 0.001


def test_the_first_sample_of_some_forms_is_the_whole_image() -> None:
    for variant, row in VARIANTS.items():
        masks = np.array(draw(KEY, variant=variant))
        assert masks[:, 0].all() == row.whole_first
        np.testing.assert_array_equal(masks[:, 1:], MASKS[:, 1:])


def test_more_samples_and_more_segments_keep_the_earlier_draws() -> None:
    np.testing.assert_array_equal(draw(KEY, samples=100)[:, :40], MASKS)
    np.testing.assert_array_equal(draw(KEY, count=33)[..., :COUNT], MASKS)


def test_with_a_key_per_image_neither_order_nor_batch_changes_a_draw() -> None:
    order = np.array([2, 0])
    np.testing.assert_array_equal(draw(KEYS[order], SEGMENTS[order]), draw(KEYS)[order])


def test_one_key_stands_for_a_key_folded_with_each_images_place() -> None:
    folded = jnp.stack([jax.random.fold_in(KEY, place) for place in range(3)])
    np.testing.assert_array_equal(draw(folded), MASKS)
    assert (draw(jax.random.key(1)) != MASKS).any()
