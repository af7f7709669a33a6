"""A trained ensemble: its logits, and its explanations, member by member."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, Key, Num

from jaxens import attribution
from jaxens.data.schema import Task
from jaxens.ensemble.step import normalized
from jaxens.models import Classifier

Classes = int | Int[np.ndarray, "image"] | attribution.Contrast


@dataclass(frozen=True)
class Ensemble:
    """Members of one architecture with stacked variables.

    `baseline` is the one member trained on all data, of leave-one-out and bagging ensembles,
    as a stack of one; it is no member of the ensemble.

    Images are uint8 pictures, or floats already normalised by `jaxens.ensemble.normalized`;
    a float of zero is the mean colour, not black.
    """

    model: Classifier
    variables: Any
    tasks: tuple[Task, ...]
    baseline: Any = None

    @property
    def params(self) -> Any:
        """The stacked parameters, `[member, ...]`."""
        return self.variables["params"]

    @property
    def members(self) -> int:
        return jax.tree.leaves(self.params)[0].shape[0]

    def alone(self) -> "Ensemble":
        """The baseline as an ensemble of one."""
        if self.baseline is None:
            raise ValueError("an ensemble of random weights has no baseline")
        return Ensemble(self.model, self.baseline, self.tasks)

    def logits(
        self, images: Num[Array, "image height width 3"], task: str | None = None
    ) -> Float[Array, "member image class"]:
        """Every member's logits for a task, which may be left unnamed where there is one."""
        return self.all_logits(images)[self._named(task)]

    def all_logits(
        self, images: Num[Array, "image height width 3"]
    ) -> dict[str, Float[Array, "member image _"]]:
        """Every member's logits for each task."""
        return _logits(self.model, self.variables, _floats(images))

    def attribute(
        self,
        images: Num[Array, "image height width 3"],
        targets: Classes,
        method: str,
        task: str | None = None,
        key: Key[Array, "*image"] | None = None,
        background: Num[Array, "baseline height width 3"] | None = None,
        baselines: Num[Array, "..."] | float = 0.0,
        **settings: int | float | str | None,
    ) -> Float[Array, "member image height width"]:
        """One map per member and image, channels reduced, by a method of `METHODS`.

        `targets` are classes of `task`: one, one per image, or a contrast. `background` are
        pictures that GradientSHAP starts from, `baselines` what integrated gradients start
        from (normalised; 0 is the mean colour). Other settings are the numbers and names of
        `jaxens.attribution.explain`. Members share `key` and `background`, so that they
        differ by their weights alone.

        Raises `ValueError` for an unknown task or a class that it lacks.
        """
        return _maps(
            self.model,
            method,
            tuple(sorted(settings.items())),
            self.variables,
            _floats(images),
            self._outputs(targets, self._named(task)),
            key,
            None if background is None else _floats(background),
            jnp.asarray(baselines, jnp.float32),
        )

    def _outputs(self, targets: Classes, task: str) -> Any:
        """Classes of a task, counted among the classes of all tasks one after another.

        Explanations see the tasks' logits as one vector, so that one compiled program serves
        every task.
        """
        names = [t.name for t in self.tasks]
        classes = self.tasks[names.index(task)].classes
        before = sum(len(t.classes) for t in self.tasks[: names.index(task)])

        def output(target: Any) -> np.ndarray:
            target = np.asarray(target)
            if target.size and not (target.min() >= 0 and target.max() < len(classes)):
                raise ValueError(
                    f"task {task} has classes 0 to {len(classes) - 1}, targets name {target.min()} "
                    f"to {target.max()}: leave out images without a label"
                )
            return np.asarray(target + before, np.int32)

        return jax.tree.map(output, targets)

    def _named(self, task: str | None) -> str:
        names = [t.name for t in self.tasks]
        if task is None and len(names) == 1:
            return names[0]
        if task not in names:
            raise ValueError(f"task {task!r}: name one of {', '.join(names)}")
        return task


def mean_probabilities(
    task: Task, logits: Float[Array, "member image class"]
) -> Float[Array, "image class"]:
    """The ensemble's prediction: the members' probabilities, averaged."""
    to_probabilities = jax.nn.softmax if task.kind == "multiclass" else jax.nn.sigmoid
    return jnp.mean(to_probabilities(logits), axis=0)


def _floats(images: Array) -> Array:
    images = jnp.asarray(images)
    return normalized(images / 255) if images.dtype == jnp.uint8 else images


@partial(jax.jit, static_argnums=0)
def _logits(model: Classifier, variables: Any, images: Array) -> dict[str, Array]:
    return jax.vmap(model.apply, in_axes=(0, None))(variables, images)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _maps(
    model: Classifier,
    method: str,
    settings: tuple[tuple[str, Any], ...],
    variables: Any,
    images: Array,
    targets: attribution.Targets,
    key: Array | None,
    background: Array | None,
    baselines: Array,
) -> Array:
    def of_one(variables: Any) -> Array:
        def head(features: Array) -> Array:
            logits = model.apply(variables, features, method="head")
            return jnp.concatenate([logits[name] for name, _ in model.tasks], axis=-1)

        return attribution.explain(
            method,
            lambda x: model.apply(variables, x, method="features"),
            head,
            images,
            targets,
            key=key,
            background=background,
            baselines=baselines,
            **dict(settings),
        )

    return jax.vmap(of_one)(variables)
