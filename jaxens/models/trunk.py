"""A model's variables below its heads: one member's starting weights, or a trunk that all share."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxens.models.build import build
from jaxens.models.classifier import Classifier


def with_trunk(own: Any, trunk: Any) -> dict[str, Any]:
    """A member's own variables and the frozen trunk's, if any, as the model takes them."""
    names = own if trunk is None else {**own, **trunk}
    return {name: {**(trunk or {}).get(name, {}), **own.get(name, {})} for name in names}


def embed(
    model: Classifier, trunk: Any, images: Float[Array, "*lead height width 3"]
) -> Float[Array, "*lead channel"]:
    """What a frozen trunk makes of images: each once, whatever the number of members."""
    *lead, height, width, channels = images.shape
    folded = images.reshape(-1, height, width, channels)
    return model.apply(trunk, folded, method="pooled_features").reshape(*lead, -1)


def below_heads(name: str) -> dict[str, Any]:
    """Shapes and types of what weights hold: one member's variables, without its heads."""
    # No part of a trunk depends on the size of the pictures.
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    variables = jax.eval_shape(build(name, [("any", 1)]).init, jax.random.key(0), images)
    return without_heads(variables)


def without_heads(variables: Any) -> dict[str, Any]:
    """Variables without the parts that depend on the tasks."""
    return {
        name: {part: own for part, own in parts.items() if part != "heads"}
        for name, parts in variables.items()
        if parts
    }
