"""The compiled programs that explain an ensemble, all members in one call.

Each takes a `mesh` too, the devices over which images are spread, or None; see `over_images`.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxens import attribution
from jaxens.data.schema import Task
from jaxens.ensemble.inputs import Static
from jaxens.ensemble.predictions import probabilities
from jaxens.ensemble.spreading import over_images
from jaxens.models import Classifier
from jaxens.models.trunk import with_trunk
from jaxens.ops import over_members


@partial(jax.jit, static_argnames=("model", "tasks", "methods", "function", "mesh"))
@over_images((None, None, 0, 0, None, 0, 1), out_axis=1)
def maps(
    variables: Any,
    trunk: Any,
    images: Array,
    classes: Any,
    shared: dict[str, dict[str, Array]],
    by_image: dict[str, dict[str, Array]],
    keys: dict[str, Array],
    *,
    model: Classifier,
    tasks: tuple[Task, ...],
    methods: tuple[tuple[str, Static], ...],
    function: Any,
) -> dict[str, Float[Array, "member image height width"]]:
    """Returns the maps of all members, by method.

    Args:
        variables: The members' variables, with a leading member axis.
        trunk: Variables that all members share, or None.
        images: As the model takes them [image, height, width, 3].
        classes: Targets, counted over the classes of all tasks; None if there is a `function`.
        shared: Settings that are arrays, by method and name.
        by_image: Settings that are arrays with an image axis, by method and name.
        keys: Random keys [member, image] by method, for methods whose members draw separately.
        model: The model of one member.
        tasks: The model's tasks, in order.
        methods: Names in `attribution.METHODS`, with the settings that are compiled in.
        function: The target from the logits of all tasks, in place of `classes`, or None.
    """
    arrays = {method: shared[method] | by_image[method] for method in shared}

    def explain(
        variables: Any, keys: Any, images: Array, classes: Any, arrays: Any
    ) -> dict[str, Array]:
        def settings_of(method: str, static: Static) -> dict[str, Any]:
            settings = dict(static) | arrays[method]
            if method in keys:
                settings["key"] = keys[method]
            if _takes_probabilities(method, dict(static)):
                settings["probabilities"] = partial(_probabilities, tasks)
            return settings

        return attribution.explain(
            {method: settings_of(method, static) for method, static in methods},
            _network(model, with_trunk(variables, trunk)),
            images,
            classes if function is None else function,
        )

    def maps_of_member(variables: Any, keys: Any) -> dict[str, Array]:
        # Without the barrier, XLA moves shared work out of the loop over members, a copy for each
        # method. It then no longer merges what the methods have in common.
        barrier = jax.lax.optimization_barrier
        return explain(*barrier((variables, keys, images, classes, arrays)))

    rows = [attribution.METHODS[method] for method, _ in methods]
    # What methods without gradients do to an image is done once for all members.
    vmapped = trunk is not None or not all(row.gradients for row in rows)
    return for_members(maps_of_member, vmapped=vmapped)(variables, keys)


@partial(
    jax.jit,
    static_argnames=("model", "tasks", "segment_count", "variant", "samples", "chunk", "mesh"),
)
@over_images((None, None, 0, 0, 0), out_axis=1)
def lime_weights(
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
        model: The model of one member.
        tasks: The model's tasks, in order.
        segment_count: Number of segments, at least the largest label plus one.
        variant: Name in `attribution.VARIANTS`.
        samples: Perturbed images per image.
        chunk: Perturbed images per call of the model (None: all).
    """
    masks = attribution.lime_draws(key, segments, samples, variant, segment_count=segment_count)
    members = jax.tree.leaves(variables)[0].shape[0]

    def logits(images: Array) -> Float[Array, "image member_class"]:
        def logits_of_member(variables: Any) -> Float[Array, "image class"]:
            return _joined_logits(model, model.apply(with_trunk(variables, trunk), images))

        by_member = for_members(logits_of_member, vmapped=trunk is not None)(variables)
        return jnp.moveaxis(by_member, 0, 1).reshape(len(images), -1)

    def split_members(joined: Float[Array, "*_ member_class"]) -> Float[Array, "*_ member label"]:
        return joined.reshape(*joined.shape[:-1], members, -1)

    def all_probabilities(
        logits: Float[Array, "*_ member_class"],
    ) -> Float[Array, "*_ member_class"]:
        return _probabilities(tasks, split_members(logits)).reshape(logits.shape)

    weights = attribution.lime_weights(
        logits,
        images,
        segments,
        masks,
        variant=variant,
        probabilities=all_probabilities if _of_probability(variant) else None,
        chunk=chunk,
    )
    by_task = split(tasks, jnp.moveaxis(split_members(weights), -2, 0))
    return {task.name: part for task, part in zip(tasks, by_task, strict=True)}


@partial(jax.jit, static_argnames=("model", "mesh"))
@over_images((None, None, 0), out_axis=1)
def logits(
    variables: Any, trunk: Any, images: Array, *, model: Classifier
) -> dict[str, Float[Array, "member image _"]]:
    """Returns the logits of all members, by task.

    Args:
        variables: The members' variables, with a leading member axis.
        trunk: Variables that all members share, or None.
        images: As the model takes them [image, height, width, 3].
        model: The model of one member.
    """

    def logits_of_member(variables: Any) -> dict[str, Array]:
        return model.apply(with_trunk(variables, trunk), images)

    return for_members(logits_of_member, vmapped=trunk is not None)(variables)


def for_members(function: Callable[..., Any], *, vmapped: bool) -> Callable[..., Any]:
    """Returns a function of stacked arguments that applies `function` to every member.

    Args:
        function: A function of one member's variables (and other arrays).
        vmapped: True: `jax.vmap`, which computes shared work, such as the features of a frozen
            trunk, once. False: `over_members`, which is a loop on a CPU.
    """

    def of_all(*args: Any) -> Any:
        map_members = jax.vmap if vmapped else over_members
        return map_members(function, (0,) * len(args))(*args)

    return of_all


def _takes_probabilities(method: str, settings: dict[str, Any]) -> bool:
    """Returns whether the method explains a probability, and none is in the settings."""
    accepted = attribution.method_named(method).settings
    if "probabilities" not in accepted or "probabilities" in settings:
        return False
    return _of_probability(settings.get("variant", accepted["variant"]))


def _of_probability(variant: str) -> bool:
    row = attribution.VARIANTS.get(variant)
    return row is not None and row.explains == "probability"


def _network(model: Classifier, variables: Any) -> attribution.Network:
    """Returns the functions of a model whose logits are those of all tasks, concatenated."""
    guided = model.clone(act=attribution.guided_relu)
    return attribution.Network(
        logits_fn=lambda images: _joined_logits(model, model.apply(variables, images)),
        features_fn=lambda images: model.apply(variables, images, method="features"),
        head_fn=lambda f: _joined_logits(model, model.apply(variables, f, method="head")),
        guided_logits_fn=lambda images: _joined_logits(model, guided.apply(variables, images)),
    )


def network_of_member(
    model: Classifier, variables: Any, methods: Collection[str]
) -> attribution.Network:
    """Returns the functions of one member that some methods need, each a compiled program.

    Args:
        model: The model of one member.
        variables: The variables of the member, as `model.apply` takes them.
        methods: Names in `attribution.METHODS`.
    """
    needs = {"logits_fn"}.union(*(attribution.method_named(method).needs for method in methods))
    return attribution.Network(
        **{name: partial(_apply, variables, model=model, name=name) for name in needs}
    )


@partial(jax.jit, static_argnames=("model", "name"))
def _apply(variables: Any, values: Array, *, model: Classifier, name: str) -> Array:
    return getattr(_network(model, variables), name)(values)


def _joined_logits(model: Classifier, logits: dict[str, Array]) -> Float[Array, "image class"]:
    return jnp.concatenate([logits[name] for name, _ in model.tasks], axis=-1)


def _probabilities(
    tasks: tuple[Task, ...], logits: Float[Array, "*_ class"]
) -> Float[Array, "*_ class"]:
    """Returns the probabilities of all tasks, concatenated as the logits are."""
    by_task = zip(tasks, split(tasks, logits), strict=True)
    return jnp.concatenate([probabilities(task, part) for task, part in by_task], axis=-1)


def split(tasks: tuple[Task, ...], joined: Float[Array, "*_ class"]) -> list[Array]:
    """Returns the part of each task in arrays of all tasks' classes.

    Args:
        tasks: All tasks, in the order of the last axis.
        joined: Numbers for the classes of all tasks.
    """
    ends = np.cumsum([len(task.classes) for task in tasks])
    return jnp.split(joined, ends[:-1], axis=-1)
