"""All implementations in the benchmark of scores return the same scores."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.benchmarks.scores import (
    Inputs,
    jaxens_scores,
    make_inputs,
    scores_at_once,
    scores_by_map,
)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """With a constant map, and one that is not finite."""
    values = make_inputs(images=5, members=3, size=28)
    values.maps[0, 1], values.maps[1, 2, 3, 4] = 0.5, np.nan
    return values


@pytest.mark.parametrize("scores", [scores_by_map, scores_at_once])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_numpy_scores_equal_ours(scores: Callable, inputs: Inputs) -> None:
    expected = jaxens_scores(jax.tree.map(jnp.asarray, inputs))
    results = scores(inputs)
    assert results.keys() == expected.keys() == {"iou", "correlation", "distance"}
    for name, values in results.items():
        assert values.shape == (4, 5)
        np.testing.assert_allclose(values, expected[name], atol=1e-5)
        assert np.argwhere(np.isnan(values)).tolist() == [[0, 1], [1, 2], [3, 2]]
