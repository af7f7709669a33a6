"""A trained ensemble: the logits and the attribution maps of each member."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, UInt32

from jaxens import attribution
from jaxens.attribution.keys import as_typed_key
from jaxens.attribution.lime_variants import variant_named
from jaxens.chunks import in_chunks
from jaxens.data.schema import Task, find_task
from jaxens.divergence import DivergedAt, divergence
from jaxens.ensemble import programs
from jaxens.ensemble.inputs import (
    Classes,
    Images,
    arrange,
    checked_images,
    normalized_images,
    padded_segments,
    targets_of_all_tasks,
)
from jaxens.ensemble.spreading import all_devices, mesh_of, replicate
from jaxens.models import Classifier
from jaxens.models.trunk import with_trunk


@dataclass(frozen=True)
class Ensemble:
    """Members of one architecture, with stacked variables.

    Methods take images as uint8 RGB, or as floats that `jaxens.models.normalized` has normalized:
    a float of zero is then the mean color, not black.

    Attributes:
        model: The model of one member.
        variables: The members' Flax variables, each leaf with a leading member axis.
        tasks: What the model predicts, one head each.
        baseline: Variables of the one member trained on all data, with a member axis of length 1.
            It is not a member of the ensemble. None for ensembles of random weights.
        trunk: Variables of frozen stages, without a member axis, or None. Members share them, so
            their features are computed once.
        diverged_at: The step at which each member, the baseline last, diverged in training and
            kept its state, or None. () if nothing is known.
    """

    model: Classifier
    variables: Any
    tasks: tuple[Task, ...]
    baseline: Any = None
    trunk: Any = None
    diverged_at: DivergedAt = ()

    @property
    def divergence(self) -> str:
        """Says which members diverged in training, and when; "" if none did."""
        return divergence(self.diverged_at, self.members)

    @property
    def params(self) -> Any:
        """The members' parameters, each leaf with a leading member axis."""
        return self.variables["params"]

    @property
    def members(self) -> int:
        """The number of members."""
        return jax.tree.leaves(self.params)[0].shape[0]

    def baseline_ensemble(self) -> "Ensemble":
        """Returns the baseline as an ensemble of one member.

        Raises:
            ValueError: If the ensemble has no baseline.
        """
        if self.baseline is None:
            raise ValueError("an ensemble of random weights has no baseline")
        return Ensemble(self.model, self.baseline, self.tasks, trunk=self.trunk)

    def on_devices(self, devices: Sequence[jax.Device] | None = None) -> "Ensemble":
        """Returns the ensemble on devices, each with all members, over which images are spread.

        Args:
            devices: Of this process (default: all; on a CPU, whose devices share cores, one).
        """
        devices = all_devices() if devices is None else devices
        names = ("variables", "baseline", "trunk")
        return replace(self, **{n: replicate(getattr(self, n), devices) for n in names})

    @property
    def devices(self) -> int:
        """The number of devices over which images are spread."""
        return getattr(mesh_of(self.variables), "size", 1)

    def member(self, k: int) -> dict[str, Any]:
        """Returns all variables of one member, as `model.apply` takes them.

        Args:
            k: Index of the member, from 0.
        """
        return with_trunk(jax.tree.map(lambda leaf: leaf[k], self.variables), self.trunk)

    def check(self, images: Images, methods: Collection[str], member: int = 0) -> None:
        """Checks that maps of the model make sense, see `jaxens.attribution.check_network`.

        Args:
            images: RGB; a few are enough.
            methods: Names in `jaxens.attribution.METHODS`. The functions that they need are
                checked.
            member: Whose weights are used.

        Raises:
            ValueError: If they do not, with the remedy.
        """
        network = programs.network_of_member(self.model, self.member(member), methods)
        attribution.check_network(network, normalized_images(images))

    def logits(self, images: Images, task: str | None = None) -> Float[Array, "member image class"]:
        """Returns every member's logits for one task.

        Args:
            images: RGB.
            task: Name of the task (None: the only one).

        Raises:
            UserError: If there is no such task, or `task` is None and there are several.
        """
        return self.all_logits(images)[self._task(task).name]

    def all_logits(self, images: Images) -> dict[str, Float[Array, "member image _"]]:
        """Returns every member's logits of RGB images for each task, by name."""
        weights, mesh = (self.variables, self.trunk), mesh_of(self.variables)
        return programs.logits(*weights, normalized_images(images), mesh=mesh, model=self.model)

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
        """Returns one map per member and image by one method.

        Args:
            images: RGB.
            targets: As for `explain`.
            method: Name in `jaxens.attribution.METHODS`.
            task: As for `explain`.
            images_at_once: As for `explain`.
            members_at_once: As for `explain`.
            **settings: Settings of the method, and `reduce`, as for `explain`.

        Returns:
            Maps with channels reduced.

        Raises:
            UserError, ValueError: As `explain`.
        """
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
        """Returns one map per member and image by each of several methods.

        The methods are one compiled program, which computes once what they have in common (see
        `jaxens.attribution.explain`). The exception is a function as the target on a CPU: XLA
        does not merge its gradients in the loop over members.

        Members share the settings, so their maps differ by their weights alone. The program is
        compiled anew for another number or name in the settings, but not for other arrays.

        Args:
            images: RGB.
            targets: Classes of `task`: one, one per image, or a contrast; or a function from the
                task's logits [image, class] to one number per image.
            methods: Settings by name, for each method: `{"saliency": {}, "integrated_gradients":
                {"steps": 50}}`. Names are those of `METHODS[method].settings` and, for methods
                with channels, `reduce`. Images among them are of the same kind as `images`. A
                `key` of shape [member, image] gives each member separate random draws.
            task: Name of the task (None: the only one).
            images_at_once: Images in one call of the model (None: all). It bounds memory, and
                changes no map. A call has this many times `members_at_once`, times the steps or
                samples of a method (see its `chunk`).
            members_at_once: Members in one call of the model (None: all).

        Returns:
            Maps by method, in the order of `methods`, with channels reduced.

        Raises:
            UserError: If the task is unknown.
            ValueError: If the task lacks a class, if images or settings contain NaN or infinity,
                or as `jaxens.attribution.attribute` does.
        """
        images = checked_images(images)
        settings = arrange(methods, images, self.members)
        all_targets = targets_of_all_tasks(targets, self._task(task), self.tasks)
        function, classes = (all_targets, None) if callable(all_targets) else (None, all_targets)
        explain = partial(
            programs.maps,
            model=self.model,
            tasks=self.tasks,
            methods=settings.static,
            function=function,
            mesh=mesh_of(self.variables),
        )

        def some_members(variables: Any, keys: dict[str, Array]) -> dict[str, Array]:
            def some_images(images: Array, classes: Any, by_image: Any, keys: Any) -> Any:
                shared = settings.shared
                return explain(variables, self.trunk, images, classes, shared, by_image, keys)

            return in_chunks(
                some_images,
                images_at_once,
                *(images, classes, settings.by_image, keys),
                axis=(0, 0, 0, 1),
                out_axis=1,
            )

        maps = in_chunks(some_members, members_at_once, self.variables, settings.keys)
        return {method: maps[method] for method in methods}  # a jitted function sorts its results

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
        """Returns LIME's weights for every class of each task, by the task's name.

        One pass over the perturbed images serves all classes. From the weights of one class,
        `jaxens.attribution.segments_to_map` makes the maps of `attribute` for the same settings.

        Args:
            images: RGB.
            segments: Labels of the pixels of each image: 0, 1, 2, ...
            key: One random key, or one for each image.
            variant: Name in `jaxens.attribution.VARIANTS`.
            samples: Perturbed images per image (None: the variant's number).
            chunk: Perturbed images in one call of the model (None: all). It bounds memory, and
                changes no weight.

        Returns:
            Weights. Segments that an image does not have get 0.

        Raises:
            ValueError: If the variant is unknown, images contain NaN or infinity, or a setting
                does not fit them.
        """
        images = checked_images(images)
        labels, segment_count = padded_segments(segments, images)
        usual = variant_named(variant).samples
        return programs.lime_weights(
            self.variables,
            self.trunk,
            images,
            labels,
            as_typed_key(key),
            mesh=mesh_of(self.variables),
            model=self.model,
            tasks=self.tasks,
            segment_count=segment_count,
            variant=variant,
            samples=usual if samples is None else samples,
            chunk=chunk,
        )

    def _task(self, name: str | None) -> Task:
        if name is None and len(self.tasks) == 1:
            return self.tasks[0]
        return find_task(self.tasks, name)
