"""Run by test_conv.py in a process of its own, whose CPU counts as two devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P

from jaxens.ops import conv_general_dilated

rng = np.random.default_rng(0)
IMAGES = jnp.asarray(rng.normal(size=(4, 2, 9, 8, 4)), jnp.float32)
KERNELS = jnp.asarray(rng.normal(size=(4, 3, 3, 4, 6)), jnp.float32)


def losses(conv, stride, x, w):
    out = conv(x, w, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jnp.sum(jnp.sin(out))


def gradients(conv, stride, shared):
    """Of operands that are shared by the devices where `shared`, and otherwise split over them."""
    mapped = tuple(None if s else 0 for s in shared)
    specs = tuple(P() if s else P("member") for s in shared)
    mesh = jax.make_mesh((2,), ("member",), axis_types=(jax.sharding.AxisType.Auto,))

    @partial(jax.shard_map, mesh=mesh, in_specs=specs, out_specs=P("member"))
    def of_each(x, w):
        return jax.vmap(partial(losses, conv, stride), mapped)(x, w).sum(keepdims=True)

    x, w = (o[0] if s else o for o, s in zip((IMAGES, KERNELS), shared, strict=True))
    return jax.jit(jax.grad(lambda x, w: of_each(x, w).sum(), argnums=(0, 1)))(x, w)


assert jax.device_count() == 2, jax.devices()
for stride in (1, 2):
    for shared in ((False, False), (True, False), (False, True)):
        jax.tree.map(
            lambda ours, want: np.testing.assert_allclose(ours, want, rtol=1e-5, atol=1e-4),
            gradients(conv_general_dilated, stride, shared),
            gradients(lax.conv_general_dilated, stride, shared),
        )
print("equal")
