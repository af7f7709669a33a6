"""`over_members` equals `vmap`, and compiles one member on a CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.ops import over_members
from jaxens.ops.members import LARGE


def function(tree, factor, row):
    return {"sum": tree["a"] * factor + row.sum(), "key": jax.random.uniform(tree["key"])}


@pytest.mark.parametrize("pixels", [0, LARGE])
def test_it_equals_vmap(pixels):
    tree = {"a": jnp.arange(6.0).reshape(3, 2), "key": jax.random.split(jax.random.key(0), 3)}
    args = tree, jnp.array([2.0, 5.0]), jnp.ones((3, 4))
    in_axes = (0, None, 0)
    ours = jax.jit(over_members(function, in_axes, pixels))(*args)
    expected = jax.jit(jax.vmap(function, in_axes))(*args)
    jax.tree.map(np.testing.assert_array_equal, ours, expected)


def test_a_cpu_compiles_the_program_of_one_member_only():
    products = [
        jax.jit(over_members(lambda x: jnp.sin(x @ x), (0,)))
        .lower(jnp.ones((members, 5, 5)))
        .as_text()
        .count("dot_general")
        for members in (2, 11)
    ]
    assert products == [1, 1]
