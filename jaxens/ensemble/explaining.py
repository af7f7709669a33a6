"""The compiled programs of an ensemble's explanations: a method, `vmap`ped over members."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxens import attribution
from jaxens.data.schema import Task
from jaxens.models import Classifier


@partial(jax.jit, static_argnames=("model", "tasks", "method", "reduce", "settings", "function"))
def maps(
    variables: Any,
    images: Array,
    classes: Any,
    arrays: dict[str, Array],
    keys: Array | None,
    *,
    model: Classifier,
    tasks: tuple[Task, ...],
    method: str,
    reduce: str | None,
    settings: tuple[tuple[str, Any], ...],
    function: Any,
) -> Float[Array, "image member height width"]:
    """Maps of all members; `function` is the target where it is no class."""

    def of_one(variables: Any, key: Array | None) -> Array:
        own: dict[str, Any] = {} if key is None else {"key": key}
        if _takes_probabilities(method, dict(settings)):
            own["probabilities"] = partial(_probabilities, tasks)
        return attribution.explain(
            method,
            _network(model, variables),
            images,
            classes if function is None else function,
            reduce=reduce,
            **dict(settings),
            **arrays,
            **own,
        )

    return jax.vmap(of_one, in_axes=(0, 1), out_axes=1)(variables, keys)


@partial(jax.jit, static_argnames=("model", "tasks", "segment_count", "form", "samples", "chunk"))
def surrogates(
    variables: Any,
    images: Array,
    segments: Array,
    key: Array,
    *,
    model: Classifier,
    tasks: tuple[Task, ...],
    segment_count: int,
    form: str,
    samples: int,
    chunk: int | None,
) -> Float[Array, "member image segment class"]:
    """LIME's weights of all members, for the classes of all tasks one after another."""
    masks = attribution.lime_draws(key, segments, samples, form, segment_count=segment_count)
    own: dict[str, Any] = {}
    if _takes_probabilities("lime", {"form": form}):
        own["probabilities"] = partial(_probabilities, tasks)

    def of_one(variables: Any) -> Array:
        return attribution.surrogates(
            lambda images: _joined(model, model.apply(variables, images)),
            images,
            segments,
            masks,
            form=form,
            chunk=chunk,
            **own,
        )

    return jax.vmap(of_one)(variables)


def _takes_probabilities(method: str, settings: dict[str, Any]) -> bool:
    """Whether the method explains a probability, which is each task's own."""
    known = attribution.method_named(method).settings
    if "probabilities" not in known or "probabilities" in settings:
        return False
    form = settings.get("form", known["form"])
    return form in attribution.FORMS and attribution.FORMS[form].explains == "probability"


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
