"""Chooses how many images go through a model at once, for a model and the device."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxens.models.classifier import Classifier

# A CPU computes one member at a time, and is fastest if its activations fit the caches: the
# gradient of a small network at 64 px took 0.32 ms per image with 40 to 48 at once (this is 45),
# 0.35 with 12, 0.38 with 96.
CACHE_BYTES = 8 * 2**20
# The fraction of an accelerator's memory for activations, next to weights, maps and workspaces.
MEMORY_FRACTION = 0.25
MOST = 8192  # more would not be faster, and progress would be reported less often


def member_images_at_once(model: Classifier, size: int, members: int) -> int:
    """Returns members times images that a model is differentiated at in one call.

    On an accelerator, as many as fit a fraction of its memory. On a CPU, as many as fit its
    caches, but at least so many that activations are larger than the weights, which every call
    reads again: ResNet-18 took 6.7 ms per image of 64 px with 42 at once, and 12.7 with 4.

    Args:
        model: The model of one member.
        size: Side of an image, pixels.
        members: The number of members.
    """
    activations, weights = gradient_bytes(model, size)
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")  # none on CPU
    room = limit * MEMORY_FRACTION if limit else members * max(CACHE_BYTES, weights)
    return min(MOST, max(1, int(room / activations)))


@cache
def gradient_bytes(model: Classifier, size: int) -> tuple[int, int]:
    """Returns the bytes of activations that the gradient at one image keeps, and of the weights.

    Activations are those that the forward pass keeps for the backward pass. They are counted with
    `lax`'s own convolution, and are 10 to 25 percent more than XLA's memory analysis reports on a
    CPU. Nothing is computed.

    Args:
        model: The model of one member.
        size: Side of an image, pixels.
    """
    plain = model.clone(conv_general_dilated=jax.lax.conv_general_dilated)

    def images(count: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((count, size, size, 3), jnp.float32)

    def activations(count: int) -> int:
        def backward_pass(variables: Any, images: Array) -> Any:
            return jax.vjp(lambda images: plain.apply(variables, images), images)[1]

        return _bytes(jax.eval_shape(backward_pass, variables, images(count)))

    variables = jax.eval_shape(plain.init, jax.random.key(0), images(1))
    return activations(2) - activations(1), _bytes(variables)


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
