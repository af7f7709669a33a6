"""A function over members is its `vmap`, also where a loop takes them one by one."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxens.ops import over_members


def one(tree, shared, row):
    return {"sum": tree["a"] * shared + row.sum(), "key": jax.random.uniform(tree["key"])}


def test_it_equals_vmap():
    tree = {"a": jnp.arange(6.0).reshape(3, 2), "key": jax.random.split(jax.random.key(0), 3)}
    arguments = tree, jnp.array([2.0, 5.0]), jnp.ones((3, 4))
    axes = (0, None, 0)
    ours = jax.jit(over_members(one, axes))(*arguments)
    theirs = jax.jit(jax.vmap(one, axes))(*arguments)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_on_a_cpu_one_member_is_compiled():
    """So that compiling takes as long for eleven as for two."""
    products = [
        jax.jit(over_members(lambda x: jnp.sin(x @ x), (0,)))
        .lower(jnp.ones((members, 5, 5)))
        .as_text()
        .count("dot_general")
        for members in (2, 11)
    ]
    assert products == [1, 1]
