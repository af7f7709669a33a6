"""A model's variables below its heads: initial weights, or frozen stages of all members."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import Array
from jaxtyping import Float

from jaxens.models.build import build
from jaxens.models.classifier import HEADS, Classifier


def with_trunk(member: Any, trunk: Any) -> dict[str, Any]:
    """Returns all variables of a member, as the model takes them.

    Args:
        member: The variables that the member trains.
        trunk: The variables of frozen stages, or None.
    """
    return unflatten_dict({**flatten_dict(trunk or {}), **flatten_dict(member)})


def split_at(model: Classifier, variables: Any, stage: str) -> tuple[Any, Any]:
    """Returns variables in two parts: those of the stages below a stage, and all others.

    Args:
        model: The model of one member.
        variables: Its variables, or a part of them.
        stage: As for `Classifier.below`.
    """
    # The shapes of a trunk don't depend on the size of the images.
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    init = partial(model.init, stage=stage, method="below")
    below = flatten_dict(jax.eval_shape(init, jax.random.key(0), images))
    leaves = flatten_dict(variables)
    frozen = {path: leaf for path, leaf in leaves.items() if path in below}
    others = {path: leaf for path, leaf in leaves.items() if path not in below}
    return unflatten_dict(frozen), unflatten_dict(others)


def frozen_features(
    model: Classifier, trunk: Any, images: Float[Array, "*lead height width 3"], stage: str = HEADS
) -> Float[Array, "*lead_and_features"]:
    """Returns the features of images by frozen stages, the same for all members.

    Args:
        model: The model of one member.
        trunk: Variables of the frozen stages.
        images: Normalized.
        stage: The first stage that is not frozen; its input is returned.
    """
    *lead, height, width, channels = images.shape
    folded = images.reshape(-1, height, width, channels)
    features = model.apply(trunk, folded, stage, method="below")
    return features.reshape(*lead, *features.shape[1:])


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
