"""The small ResNet has the cost, the receptive field and the layers that it should have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.models import SmallResNet
from tests.models.material import shapes_of, variables_of

TASKS = (("species", 5),)


def test_it_costs_at_most_eight_million_multiply_adds_at_64_pixels() -> None:
    """Counted in each convolution, from the shapes of its inputs."""
    costs = []

    def counting(lhs: jax.Array, rhs: jax.Array, *args: object, **kwargs: object) -> jax.Array:
        out = jax.lax.conv_general_dilated(lhs, rhs, *args, **kwargs)
        costs.append(out[0, ..., 0].size * rhs.size)
        return out

    model = SmallResNet(TASKS, conv_general_dilated=counting)
    features, _ = jax.eval_shape(
        lambda key, x: model.init_with_output(key, x, method="features"),
        jax.random.key(0),
        jnp.zeros((1, 64, 64, 3)),
    )
    assert features.shape == (1, 8, 8, 64)
    assert 7.5e6 < sum(costs) <= 8e6


@pytest.mark.slow
def test_the_receptive_field_of_a_feature_is_48_pixels() -> None:
    """With positive weights and no activation, no pixel's gradient can cancel another's."""
    model = SmallResNet(TASKS, widths=(2, 2, 2), act=lambda x: x)
    x = jnp.zeros((1, 96, 96, 3))
    variables = variables_of(model)
    variables["params"] = jax.tree.map(jnp.abs, variables["params"])
    slope = jax.grad(lambda x: model.apply(variables, x, method="features")[0, 6, 6].sum())(x)
    rows, columns = np.nonzero(np.asarray(slope).sum(axis=(0, 3)))
    assert np.ptp(rows) + 1 == 48
    assert np.ptp(columns) + 1 == 48


def test_it_does_no_max_pooling() -> None:
    model = SmallResNet(TASKS)
    x = jnp.zeros((1, 64, 64, 3))
    assert "reduce_window" not in str(jax.make_jaxpr(model.apply)(shapes_of(model), x))


def test_widths_and_blocks_set_the_stages() -> None:
    model = SmallResNet(TASKS, widths=(4, 8), blocks=(1, 2))
    features, variables = jax.eval_shape(
        lambda key, x: model.init_with_output(key, x, method="features"),
        jax.random.key(0),
        jnp.zeros((1, 64, 48, 3)),
    )
    assert features.shape == (1, 16, 12, 8)
    blocks = {name for name in variables["params"]["trunk"] if name.startswith("stage")}
    assert blocks == {"stage0_0", "stage1_0", "stage1_1"}


def test_widths_and_blocks_of_different_lengths_raise() -> None:
    model = SmallResNet(TASKS, widths=(4, 8), blocks=(1, 1, 1))
    with pytest.raises(ValueError, match="the same number of stages"):
        shapes_of(model)
