"""A training step: a pure function of one member, and the step of all members."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import optax
from jax import Array
from jaxtyping import Float, Int, Key, UInt8

from jaxens.data import augment
from jaxens.data.schema import Task
from jaxens.models import Classifier, normalized
from jaxens.ops import over_members
from jaxens.training.divergence import keep_if_diverged
from jaxens.training.loss import Labels, multitask_loss
from jaxens.training.mesh import NO_AXES, Axes
from jaxens.training.settings import Augment
from jaxens.training.state import MEMBER_AXES, State

# `images`, uint8 [image, height, width, 3], or `features` [image, ...] by frozen stages; and
# `labels` by task. All with a leading member axis if members don't share their batches.
Batch = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Step:
    """The training step of one member, in two parts that `of_all` maps over members differently.

    Attributes:
        gradient: `(params, batch_stats, inputs, labels, key) -> (loss, batch_stats, gradient)`.
        update: `(state, loss, batch_stats, gradient, number) -> (state, loss)`. It stops a member
            that diverges: its loss is then NaN.
        axes: The axes of the mesh that the step runs on. Loss and gradient are those of a device's
            images, and `of_all` adds them up.
    """

    gradient: Callable[..., tuple[Array, Any, Any]]
    update: Callable[[State, Array, Any, Any, Array], tuple[State, Array]]
    axes: Axes = NO_AXES

    def __call__(
        self,
        state: State,
        inputs: Float[Array, "image ..."],
        labels: Labels,
        key: Key[Array, ""],
        number: Int[Array, ""],
    ) -> tuple[State, Float[Array, ""]]:
        """Returns one member's state after the step, and its loss before."""
        changes = self.gradient(state.params, state.batch_stats, inputs, labels, key)
        return self.update(state, *changes, number)

    def of_all(
        self,
        state: State,
        inputs: Float[Array, "..."],
        labels: Labels,
        keys: Key[Array, "member"],
        number: Int[Array, ""],
        shared: bool,
    ) -> tuple[State, Float[Array, "member"]]:
        """Returns the state of all members after the step, and their losses before.

        `ops.over_members` chooses how to map the gradient over members. The update is always
        `vmap`ped: the stacked state is then changed in place, and not copied into and out of a
        loop over members.

        Args:
            state: The state of all members.
            inputs: Normalized images, or features by frozen stages.
            labels: By task.
            keys: The keys of dropout.
            number: The number of the step.
            shared: Whether inputs and labels are the same for all members; otherwise they have
                a leading member axis.
        """
        axis = None if shared else 0
        pixels = math.prod(inputs.shape[0 if shared else 1 : -1])
        gradients = over_members(self.gradient, (0, 0, axis, axis, 0), pixels)
        variables = self.axes.apart((state.params, state.batch_stats))
        losses, batch_stats, slopes = gradients(*variables, inputs, labels, keys)
        losses, slopes = self.axes.total((losses, slopes))
        update = jax.vmap(self.update, (MEMBER_AXES, 0, 0, 0, None), out_axes=(MEMBER_AXES, 0))
        return update(state, losses, self.axes.mean(batch_stats), slopes, number)


def train_one(
    model: Classifier,
    optimizer: optax.GradientTransformation,
    tasks: Sequence[Task],
    weights: Sequence[float],
    stage: str | None = None,
    axes: Axes = NO_AXES,
) -> Step:
    """Returns the training step of one member.

    Args:
        model: The model of one member.
        optimizer: The optimizer of one member.
        tasks: The tasks.
        weights: The weights of the tasks' losses.
        stage: The first stage that is trained, or "heads"; the step's inputs are features then.
            None if all stages are trained.
        axes: The axes of the mesh that the step runs on.
    """
    model = model.clone(data_axis=axes.data)
    apply = model.apply if stage is None else partial(model.apply, stage=stage, method="above")

    def loss_of(
        params: Any, batch_stats: Any, inputs: Array, labels: Labels, key: Key[Array, ""]
    ) -> tuple[Array, Any]:
        logits, updated = apply(
            {"params": params, "batch_stats": batch_stats},
            inputs,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        loss = multitask_loss(tasks, weights, logits, labels, axes.total)
        return loss, updated.get("batch_stats", {})

    def gradient(*arguments: Any) -> tuple[Array, Any, Any]:
        (loss, batch_stats), slopes = jax.value_and_grad(loss_of, has_aux=True)(*arguments)
        return loss, batch_stats, slopes

    def update(
        state: State, loss: Array, batch_stats: Any, slopes: Any, number: Array
    ) -> tuple[State, Array]:
        updates, opt_state = optimizer.update(slopes, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        after = State(params, batch_stats, opt_state, state.diverged_at, state.trunk)
        return keep_if_diverged(state, after, loss, slopes, number)

    return Step(gradient, update, axes)


def train_all(
    one: Step,
    changes: Augment,
    key: Key[Array, ""],
    shared: bool,
    below: Callable[[Any, Array], Array] | None = None,
) -> Callable[[State, Batch, Int[Array, ""]], tuple[State, Float[Array, "member"]]]:
    """Returns the training step of all members: `(state, batch, number) -> (state, losses)`.

    Work that members share is done once: the augmentation of shared batches, and frozen stages.
    Random numbers depend on the key, the number of the step and, unless they are shared, the
    member.

    Args:
        one: The step of one member.
        changes: Random changes of the images.
        key: The key of augmentation and dropout.
        shared: Whether all members have the same batch.
        below: The features of images by frozen stages `(trunk, images)`, if there are any.
    """

    axes = one.axes

    def augmented(key: Key[Array, ""], images: UInt8[Array, "image height width 3"]) -> Array:
        if changes.is_off:
            return normalized(images / 255)
        draw = partial(augment.draw, key, flip=changes.flip, zoom=changes.zoom, color=changes.color)
        change = axes.own(axes.data, len(images), draw)
        return normalized(augment.images(change, images))

    def step(state: State, batch: Batch, number: Int[Array, ""]) -> tuple[State, Array]:
        members = axes.rows(axes.member, state.members)
        augment_key, dropout_key = jax.random.split(jax.random.fold_in(key, number))
        by_member = jax.vmap(jax.random.fold_in, (None, 0))
        if "features" in batch:
            inputs = batch["features"]
        else:
            if shared:
                inputs = augmented(augment_key, batch["images"])
            else:
                inputs = jax.vmap(augmented)(by_member(augment_key, members), batch["images"])
            if below is not None:
                inputs = below(state.trunk, inputs)
        keys = by_member(dropout_key, members)
        return one.of_all(state, inputs, batch["labels"], keys, number, shared)

    return step
