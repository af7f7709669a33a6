"""A trained ensemble: its logits, and its explanations, member by member."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, UInt32

from jaxens import attribution
from jaxens.arrays import in_chunks
from jaxens.data.schema import Task
from jaxens.ensemble import explaining
from jaxens.ensemble.inputs import (
    Classes,
    Images,
    arrange,
    as_key,
    checked,
    floats,
    outputs,
    with_room,
)
from jaxens.models import Classifier
from jaxens.models.trunk import with_trunk


@dataclass(frozen=True)
class Ensemble:
    """Members of one architecture with stacked variables.

    `baseline` is the one member trained on all data, of leave-one-out and bagging ensembles,
    as a stack of one; it is no member of the ensemble. `trunk` holds the variables that all of
    them share, where the trunk is frozen: not stacked, so that its features are computed once.

    Images are uint8 pictures, or floats already normalised by `jaxens.models.normalized`;
    a float of zero is the mean colour, not black.
    """

    model: Classifier
    variables: Any
    tasks: tuple[Task, ...]
    baseline: Any = None
    trunk: Any = None

    @property
    def params(self) -> Any:
        """The stacked parameters, `[member, ...]`."""
        return self.variables["params"]

    @property
    def members(self) -> int:
        return jax.tree.leaves(self.params)[0].shape[0]

    def baseline_ensemble(self) -> "Ensemble":
        """The baseline as an ensemble of one."""
        if self.baseline is None:
            raise ValueError("an ensemble of random weights has no baseline")
        return Ensemble(self.model, self.baseline, self.tasks, trunk=self.trunk)

    def member(self, k: int) -> dict[str, Any]:
        """All variables of a member, as `model.apply` takes them."""
        return with_trunk(jax.tree.map(lambda leaf: leaf[k], self.variables), self.trunk)

    def logits(self, images: Images, task: str | None = None) -> Float[Array, "member image class"]:
        """Every member's logits for a task, which may be left unnamed where there is one."""
        return self.all_logits(images)[self._task(task).name]

    def all_logits(self, images: Images) -> dict[str, Float[Array, "member image _"]]:
        """Every member's logits for each task."""
        return _logits(self.model, self.variables, self.trunk, floats(images))

    def attribute(
        self,
        images: Images,
        targets: Classes,
        method: str,
        task: str | None = None,
        *,
        images_at_once: int | None = None,
        members_at_once: int | None = None,
        **settings: Any,
    ) -> Float[Array, "member image height width"]:
        """One map per member and image by a method of `METHODS`: `explain` for one."""
        maps = self.explain(
            images,
            targets,
            {method: settings},
            task,
            images_at_once=images_at_once,
            members_at_once=members_at_once,
        )
        return maps[method]

    def explain(
        self,
        images: Images,
        targets: Classes,
        methods: Mapping[str, Mapping[str, Any]],
        task: str | None = None,
        *,
        images_at_once: int | None = None,
        members_at_once: int | None = None,
    ) -> dict[str, Float[Array, "member image height width"]]:
        """One map per member and image, channels reduced, by each of some methods of `METHODS`.

        The methods are one compiled program, in which what they have in common is computed once
        (see `jaxens.attribution.explain`); on a CPU not where `targets` are a function, whose
        gradients XLA does not see to be alike in its loop over members.

        `targets` are classes of `task`: one, one per image, or a contrast; or a function of the
        task's logits [image, class]. `methods` has each one's settings by its name, its own (see
        `METHODS[method].settings`) and `reduce`: `{"saliency": {}, "integrated_gradients":
        {"steps": 50}}`; pictures among them are taken as `images` are. Members
        share all of these, so that they differ by their weights alone; a `key` of shape
        [member, image] gives each its own draws. Another number or name is compiled anew, other
        arrays are not.

        At most `members_at_once` times `images_at_once` are in one call of the model (times
        the steps or samples, see `chunk`), which bounds memory: no map depends on it.

        Raises `ValueError` for an unknown task or a class that it lacks, for what is not finite,
        and as `jaxens.attribution.attribute` does.
        """
        images = checked(images)
        given = arrange(methods, images, self.members)
        asked = outputs(targets, self._task(task), self.tasks)
        explain = partial(
            explaining.maps,
            model=self.model,
            tasks=self.tasks,
            methods=given.static,
            function=asked if callable(asked) else None,
        )

        def some_members(variables: Any, keys: dict[str, Array]) -> dict[str, Array]:
            def some_images(images: Array, classes: Any, by_image: Any, keys: Any) -> Any:
                arrays = {method: given.shared[method] | by_image[method] for method in methods}
                return explain(variables, self.trunk, images, classes, arrays, keys)

            classes = None if callable(asked) else asked
            return in_chunks(
                some_images,
                images_at_once,
                *(images, classes, given.by_image, keys),
                axis=(0, 0, 0, 1),
                out_axis=1,
            )

        maps = in_chunks(some_members, members_at_once, self.variables, given.keys)
        return {method: maps[method] for method in methods}  # in their order

    def lime_weights(
        self,
        images: Images,
        *,
        segments: Int[Array | np.ndarray, "image height width"],
        key: PRNGKeyArray | UInt32[Array, "..."],
        variant: str = "marcotcr",
        samples: int | None = None,
        chunk: int | None = None,
    ) -> dict[str, Float[Array, "member image segment class"]]:
        """LIME's weights for every class of each task, from one pass over the perturbed images.

        `jaxens.attribution.segments_to_map` makes maps of a class's weights: those of `attribute`
        for the same settings. Segments that no image has weigh nothing.
        """
        images = checked(images)
        labels, room = with_room(segments, images)
        if variant not in attribution.VARIANTS:
            raise ValueError(
                f"unknown variant {variant!r}: choose from {', '.join(attribution.VARIANTS)}"
            )
        return explaining.lime_weights(
            self.variables,
            self.trunk,
            images,
            labels,
            as_key(key),
            model=self.model,
            tasks=self.tasks,
            segment_count=room,
            variant=variant,
            samples=attribution.VARIANTS[variant].samples if samples is None else samples,
            chunk=chunk,
        )

    def _task(self, name: str | None) -> Task:
        names = [task.name for task in self.tasks]
        if name is None and len(names) == 1:
            return self.tasks[0]
        if name not in names:
            raise ValueError(f"task {name!r}: name one of {', '.join(names)}")
        return self.tasks[names.index(name)]


def mean_probabilities(
    task: Task, logits: Float[Array, "member image class"]
) -> Float[Array, "image class"]:
    """The ensemble's prediction: the members' probabilities, averaged."""
    return jnp.mean(explaining.probabilities(task, logits), axis=0)


@partial(jax.jit, static_argnums=0)
def _logits(model: Classifier, variables: Any, trunk: Any, images: Array) -> dict[str, Array]:
    def of_one(own: Any) -> dict[str, Array]:
        return model.apply(with_trunk(own, trunk), images)

    return explaining.for_members(of_one, together=trunk is not None)(variables)
