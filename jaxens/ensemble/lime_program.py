"""The compiled program that fits LIME's weights for all members and classes in one call."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh
from jaxtyping import Float

from jaxens import attribution
from jaxens.data.schema import Task
from jaxens.ensemble.programs import (
    explains_probability,
    for_members,
    joined_logits,
    joined_probabilities,
    split,
)
from jaxens.ensemble.spreading import over_images
from jaxens.models import Classifier
from jaxens.models.trunk import with_trunk


@partial(
    jax.jit,
    static_argnames=("model", "tasks", "segment_count", "variant", "samples", "chunk", "mesh"),
)
def lime_weights(
    variables: Any,
    trunk: Any,
    images: Array,
    segments: Array,
    key: Array,
    *,
    mesh: Mesh | None,
    model: Classifier,
    tasks: tuple[Task, ...],
    segment_count: int,
    variant: str,
    samples: int,
    chunk: int | None,
) -> dict[str, Float[Array, "member image segment class"]]:
    """Returns LIME's weights of all members, for every class of each task.

    LIME sees one model that has the classes of all members. The perturbed images, and the
    factors of the regression's matrix, are then computed once for all members.

    Args:
        variables: The members' variables, with a leading member axis.
        trunk: Variables that all members share, or None.
        images: As the model takes them [image, height, width, 3].
        segments: Labels of the pixels [image, height, width].
        key: One random key, or one for each image.
        mesh: Devices over which images are spread, or None.
        model: The model of one member.
        tasks: The model's tasks, in order.
        segment_count: Number of segments, at least the largest label plus one.
        variant: Name in `attribution.VARIANTS`.
        samples: Perturbed images per image.
        chunk: Perturbed images per call of the model (None: all).
    """
    of_all = partial(
        _lime_weights,
        model=model,
        tasks=tasks,
        segment_count=segment_count,
        variant=variant,
        samples=samples,
        chunk=chunk,
    )
    spread = over_images(of_all, mesh, (None, None, 0, 0, 0), 1)
    weights: dict[str, Array] = spread(variables, trunk, images, segments, key)
    return weights


def _lime_weights(
    variables: Any,
    trunk: Any,
    images: Array,
    segments: Array,
    key: Array,
    *,
    model: Classifier,
    tasks: tuple[Task, ...],
    segment_count: int,
    variant: str,
    samples: int,
    chunk: int | None,
) -> dict[str, Array]:
    """Returns what `lime_weights` does, on one device."""
    masks = attribution.lime_draws(key, segments, samples, variant, segment_count=segment_count)
    members = jax.tree.leaves(variables)[0].shape[0]

    def logits(images: Array) -> Float[Array, "image member_class"]:
        def logits_of_member(variables: Any) -> Float[Array, "image class"]:
            return joined_logits(model, model.apply(with_trunk(variables, trunk), images))

        by_member = for_members(logits_of_member, vmapped=trunk is not None)(variables)
        return jnp.moveaxis(by_member, 0, 1).reshape(len(images), -1)

    def split_members(joined: Float[Array, "*_ member_class"]) -> Float[Array, "*_ member label"]:
        return joined.reshape(*joined.shape[:-1], members, -1)

    def all_probabilities(
        logits: Float[Array, "*_ member_class"],
    ) -> Float[Array, "*_ member_class"]:
        return joined_probabilities(tasks, split_members(logits)).reshape(logits.shape)

    weights = attribution.lime_weights(
        logits,
        images,
        segments,
        masks,
        variant=variant,
        probabilities=all_probabilities if explains_probability(variant) else None,
        chunk=chunk,
    )
    by_task = split(tasks, jnp.moveaxis(split_members(weights), -2, 0))
    return {task.name: part for task, part in zip(tasks, by_task, strict=True)}
