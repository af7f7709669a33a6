"""All sides of the benchmark of scores give the same scores."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.benchmarks.scores import Material, material, ours, plain, plain_at_once


@pytest.fixture(scope="module")
def given() -> Material:
    """With a map that is constant, and one that is not finite."""
    made = material(images=5, members=3, size=28)
    made.maps[0, 1], made.maps[1, 2, 3, 4] = 0.5, np.nan
    return made


@pytest.mark.parametrize("side", [plain, plain_at_once], ids=["a map after another", "at once"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_plain_code_gives_our_scores(side: Callable, given: Material) -> None:
    expected = ours(jax.tree.map(jnp.asarray, given))
    found = side(given)
    assert found.keys() == expected.keys() == {"iou", "correlation", "distance"}
    for name, values in found.items():
        assert values.shape == (4, 5)
        np.testing.assert_allclose(values, expected[name], atol=1e-5)
        assert np.argwhere(np.isnan(values)).tolist() == [[0, 1], [1, 2], [3, 2]]
