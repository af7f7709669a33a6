"""A model's variables below its heads: initial weights, or a frozen trunk of all members."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxens.models.build import build
from jaxens.models.classifier import Classifier


def with_trunk(member: Any, trunk: Any) -> dict[str, Any]:
    """Returns all variables of a member, as the model takes them.

    Args:
        member: The variables that the member trains.
        trunk: The variables of a frozen trunk, or None.
    """
    names = member if trunk is None else {**member, **trunk}
    return {name: {**(trunk or {}).get(name, {}), **member.get(name, {})} for name in names}


def embed(
    model: Classifier, trunk: Any, images: Float[Array, "*lead height width 3"]
) -> Float[Array, "*lead channel"]:
    """Returns the pooled features that a frozen trunk gives for images. All members share them.

    Args:
        model: The model of one member.
        trunk: Variables of the trunk.
        images: Normalized.
    """
    *lead, height, width, channels = images.shape
    folded = images.reshape(-1, height, width, channels)
    return model.apply(trunk, folded, method="pooled_features").reshape(*lead, -1)


def below_heads(name: str) -> dict[str, Any]:
    """Returns the shapes and types of one member's variables, without its heads.

    Args:
        name: The name of the model, a key of `jaxens.models.MODELS`.
    """
    # The shapes of a trunk don't depend on the size of the images.
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    variables = jax.eval_shape(build(name, [("any", 1)]).init, jax.random.key(0), images)
    return without_heads(variables)


def without_heads(variables: Any) -> dict[str, Any]:
    """Returns variables without the heads, which depend on the tasks."""
    return {
        name: {part: values for part, values in parts.items() if part != "heads"}
        for name, parts in variables.items()
        if parts
    }
