"""How many pictures go through a model at once, from what the model and the device are."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxens.models.classifier import Classifier

# On a CPU, where one member is at work at a time, activations should stay in the caches: the
# gradient of a small network at 64 px took 0.32 ms a picture with 40 to 48 at once (this is 45),
# 0.35 with 12, 0.38 with 96.
CACHED = 8 * 2**20
# Of an accelerator's memory: weights, maps, and what convolutions need aside lie there too.
SHARE = 0.25
ENOUGH = 8192  # more would keep no device busier, and a reader waiting


def images_at_once(model: Classifier, size: int, members: int) -> int:
    """Members times pictures of `size` px that a model takes the gradient of at once.

    On an accelerator, as many as have room for their activations in a part of its memory. On a
    CPU, as many as its caches hold, but enough for activations to outweigh the weights, which
    are read anew for every call: ResNet-18 took 6.7 ms a picture of 64 px with 42 at once, and
    12.7 with 4.
    """
    activations, weights = gradient_bytes(model, size)
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")  # none on CPU
    room = limit * SHARE if limit else members * max(CACHED, weights)
    return min(ENOUGH, max(1, int(room / activations)))


@cache
def gradient_bytes(model: Classifier, size: int) -> tuple[int, int]:
    """What the gradient at one picture of `size` px keeps between its two passes, and the weights.

    With `lax`'s own convolution, which keeps no more than it needs, this is a tenth to a quarter
    more than XLA's memory analysis finds on CPU. Nothing is computed.
    """
    plain = model.clone(conv_general_dilated=jax.lax.conv_general_dilated)

    def images(count: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((count, size, size, 3), jnp.float32)

    def kept(count: int) -> int:
        def between(variables: Any, images: Array) -> Any:
            return jax.vjp(lambda images: plain.apply(variables, images), images)[1]

        return _bytes(jax.eval_shape(between, variables, images(count)))

    variables = jax.eval_shape(plain.init, jax.random.key(0), images(1))
    return kept(2) - kept(1), _bytes(variables)


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
