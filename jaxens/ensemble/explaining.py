"""The compiled programs of an ensemble's explanations: methods, for all members."""

from collections.abc import Callable
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
from jaxens.models import Classifier
from jaxens.models.trunk import with_trunk
from jaxens.ops import over_members


@partial(jax.jit, static_argnames=("model", "tasks", "methods", "function"))
def maps(
    variables: Any,
    trunk: Any,
    images: Array,
    classes: Any,
    arrays: dict[str, dict[str, Array]],
    keys: dict[str, Array],
    *,
    model: Classifier,
    tasks: tuple[Task, ...],
    methods: tuple[tuple[str, Static], ...],
    function: Any,
) -> dict[str, Float[Array, "member image height width"]]:
    """Maps of all members by each method; `function` is the target where it is no class."""

    def explained(
        variables: Any, keys: Any, images: Array, classes: Any, arrays: Any
    ) -> dict[str, Array]:
        def settings(method: str, static: Static) -> dict[str, Any]:
            own: dict[str, Any] = {"key": keys[method]} if method in keys else {}
            if _takes_probabilities(method, dict(static)):
                own["probabilities"] = partial(_probabilities, tasks)
            return dict(static) | arrays[method] | own

        return attribution.explain(
            {method: settings(method, static) for method, static in methods},
            _network(model, with_trunk(variables, trunk)),
            images,
            classes if function is None else function,
        )

    def of_one(*own: Any) -> dict[str, Array]:
        # In a loop over members, XLA moves what is the same for all out of it, a copy for each
        # method, and then no longer sees that methods compute alike.
        return explained(*jax.lax.optimization_barrier((*own, images, classes, arrays)))

    together = trunk is not None or "lime" in dict(methods)
    return for_members(of_one, together=together)(variables, keys)


@partial(
    jax.jit, static_argnames=("model", "tasks", "segment_count", "variant", "samples", "chunk")
)
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
    """LIME's weights of all members, for the classes of each task.

    To LIME they are one model with the classes of all members: perturbed images are made, and
    the regression's matrix is factored, once for all of them.
    """
    masks = attribution.lime_draws(key, segments, samples, variant, segment_count=segment_count)
    members = jax.tree.leaves(variables)[0].shape[0]

    def logits(images: Array) -> Float[Array, "image member_label"]:
        def of_one(variables: Any) -> Float[Array, "image label"]:
            return _joined(model, model.apply(with_trunk(variables, trunk), images))

        each = for_members(of_one, together=trunk is not None)(variables)
        return jnp.moveaxis(each, 0, 1).reshape(len(images), -1)

    def apart(joined: Float[Array, "*_ member_label"]) -> Float[Array, "*_ member label"]:
        return joined.reshape(*joined.shape[:-1], members, -1)

    own: dict[str, Any] = {}
    if _takes_probabilities("lime", {"variant": variant}):
        own["probabilities"] = lambda logits: _probabilities(tasks, apart(logits)).reshape(
            logits.shape
        )
    weights = attribution.lime_weights(
        logits, images, segments, masks, variant=variant, chunk=chunk, **own
    )
    parts = split(tasks, jnp.moveaxis(apart(weights), -2, 0))
    return {task.name: part for task, part in zip(tasks, parts, strict=True)}


def for_members(one: Callable[..., Any], *, together: bool) -> Callable[..., Any]:
    """A function of one member's variables (and other arrays), for all members.

    `together` where it computes what is the same for all of them, to do so once: the features of
    a shared trunk, LIME's perturbed images. Else in the order that suits the device.
    """

    def of_all(*arguments: Any) -> Any:
        over = jax.vmap if together else over_members
        return over(one, (0,) * len(arguments))(*arguments)

    return of_all


def _takes_probabilities(method: str, settings: dict[str, Any]) -> bool:
    """Whether the method explains a probability, which is each task's own."""
    known = attribution.method_named(method).settings
    if "probabilities" not in known or "probabilities" in settings:
        return False
    variant = settings.get("variant", known["variant"])
    return (
        variant in attribution.VARIANTS and attribution.VARIANTS[variant].explains == "probability"
    )


def _network(model: Classifier, variables: Any) -> attribution.Network:
    """The model with the logits of all tasks as one vector."""
    guided = model.clone(act=attribution.guided_relu)
    return attribution.Network(
        logits_fn=lambda images: _joined(model, model.apply(variables, images)),
        features_fn=lambda images: model.apply(variables, images, method="features"),
        head_fn=lambda f: _joined(model, model.apply(variables, f, method="head")),
        guided_logits_fn=lambda images: _joined(model, guided.apply(variables, images)),
    )


def _joined(model: Classifier, logits: dict[str, Array]) -> Float[Array, "image label"]:
    return jnp.concatenate([logits[name] for name, _ in model.tasks], axis=-1)


def probabilities(task: Task, logits: Float[Array, "*_ class"]) -> Float[Array, "*_ class"]:
    """Of one answer, or of each label by itself."""
    return jax.nn.softmax(logits) if task.kind == "multiclass" else jax.nn.sigmoid(logits)


def _probabilities(
    tasks: tuple[Task, ...], logits: Float[Array, "*_ label"]
) -> Float[Array, "*_ label"]:
    """Of the tasks' logits as one vector."""
    each = [probabilities(t, part) for t, part in zip(tasks, split(tasks, logits), strict=True)]
    return jnp.concatenate(each, axis=-1)


def split(tasks: tuple[Task, ...], joined: Float[Array, "*_ label"]) -> list[Array]:
    """One vector of all tasks' classes, in the tasks' parts."""
    ends = np.cumsum([len(task.classes) for task in tasks])
    return jnp.split(joined, ends[:-1], axis=-1)
