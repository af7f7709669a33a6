"""Random weights for models, and how far two arrays are apart."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxens.models import Classifier


def shapes_of(model: Classifier) -> dict:
    return jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def variables_of(model: Classifier, seed: int = 0) -> dict:
    """Weights that keep activations near 1, without compiling the model's own `init`."""
    rng = np.random.default_rng(seed)

    def fill(path: tuple, leaf: jax.ShapeDtypeStruct) -> Array:
        if path[-1].key in ("scale", "var"):
            return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), leaf.dtype)
        fan_in = np.prod(leaf.shape[:-1])
        return jnp.asarray(rng.normal(size=leaf.shape) * np.sqrt(2 / fan_in), leaf.dtype)

    return jax.tree.map_with_path(fill, shapes_of(model))


def relative_error(ours: Float[Array, "..."], theirs: Float[np.ndarray, "..."]) -> float:
    return np.linalg.norm(np.asarray(ours) - theirs) / np.linalg.norm(theirs)
