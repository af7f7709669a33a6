"""From attributions to maps: channels away, and the image's size."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr

ATTRIBUTIONS = np.array([[[1.0, -4.0, 2.0], [0.5, 0.25, 0.125]]], np.float32)


def test_channels_are_reduced_as_named() -> None:
    np.testing.assert_array_equal(attr.sum_channels(ATTRIBUTIONS), [[-1, 0.875]])
    np.testing.assert_array_equal(attr.max_abs(ATTRIBUTIONS), [[4, 0.5]])
    np.testing.assert_array_equal(attr.sum_abs(ATTRIBUTIONS), [[7, 0.875]])


@pytest.mark.parametrize("reduce", attr.REDUCTIONS.values(), ids=attr.REDUCTIONS)
def test_members_may_lead(reduce: Callable[[np.ndarray], jax.Array]) -> None:
    members = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 3)).astype(np.float32)
    maps = reduce(members)
    assert maps.shape == (2, 3, 4, 5)
    np.testing.assert_array_equal(maps[1, 2], reduce(members[1, 2]))


def test_bilinear_has_half_pixel_centers_and_repeats_the_border() -> None:
    row = jnp.array([[0.0, 4.0]])
    np.testing.assert_allclose(attr.resize(row, (1, 4)), [[0, 1, 3, 4]])


def test_shrinking_does_not_antialias() -> None:
    row = jnp.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    np.testing.assert_allclose(attr.resize(row, (1, 2)), [[0, 0]], atol=1e-7)


def test_nearest_takes_the_pixel_at_the_upper_left() -> None:
    row = jnp.array([[0.0, 1.0, 2.0]])
    np.testing.assert_array_equal(attr.resize(row, (1, 2), "nearest"), [[0, 1]])
    np.testing.assert_array_equal(attr.resize(row, (2, 6), "nearest"), [[0, 0, 1, 1, 2, 2]] * 2)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_the_same_size_is_the_same_map_and_members_may_lead(method: str) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(attr.resize(maps, (4, 5), method), maps)
    large = attr.resize(maps, (8, 7), method)
    assert large.shape == (2, 3, 8, 7)
    np.testing.assert_allclose(large[1, 2], attr.resize(maps[1, 2], (8, 7), method), atol=1e-6)
    compiled = jax.jit(lambda maps: attr.resize(maps, (8, 7), method))(maps)
    np.testing.assert_allclose(compiled, large, atol=1e-6)


@pytest.mark.usefixtures("unchecked")
def test_sizes_and_methods_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="height is 0: give at least 1"):
        attr.resize(np.ones((4, 5)), (0, 5))
    with pytest.raises(ValueError, match="unknown method 'cubic': choose bilinear or nearest"):
        attr.resize(np.ones((4, 5)), (8, 8), "cubic")  # type: ignore[arg-type]
