"""One training step of all members: a pure function of one, for all of them under `jit`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int, Key, UInt8

from jaxens.data import augment
from jaxens.data.schema import Task
from jaxens.models import Classifier, normalized
from jaxens.models.trunk import embed
from jaxens.ops import over_members
from jaxens.training.loss import Labels, multitask_loss
from jaxens.training.settings import Augment
from jaxens.training.state import MEMBER_AXES, State

# Images uint8 [(member) image height width 3], labels by task; or, in place of the images,
# what a frozen trunk makes of them.
Batch = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Step:
    """One member's training step, in two parts: `(state, inputs, labels, key) -> (state, loss)`.

    A gradient takes the work, and an update the memory: see `of_all`.
    """

    gradient: Callable[..., tuple[Array, Any, Any]]  # params, batch_stats, inputs, labels, key
    update: Callable[[State, Any, Any], State]  # state, batch_stats, gradient

    def __call__(
        self, state: State, inputs: Float[Array, "image ..."], labels: Labels, key: Key[Array, ""]
    ) -> tuple[State, Float[Array, ""]]:
        loss, *moved = self.gradient(state.params, state.batch_stats, inputs, labels, key)
        return self.update(state, *moved), loss

    def of_all(
        self,
        state: State,
        inputs: Float[Array, "... image height width channel"] | Float[Array, "... image channel"],
        labels: Labels,
        keys: Key[Array, "member"],
        shared: bool,
    ) -> tuple[State, Float[Array, "member"]]:
        """The step of all members, on `shared` inputs or on each one's own.

        Updates are `vmap`ped also where gradients are taken member by member: the stacked
        state is then changed in place, instead of being copied into and out of a loop.
        """
        axis = None if shared else 0
        gradients = over_members(self.gradient, (0, 0, axis, axis, 0))
        losses, *moved = gradients(state.params, state.batch_stats, inputs, labels, keys)
        axes = (MEMBER_AXES, 0, 0)
        return jax.vmap(self.update, axes, out_axes=MEMBER_AXES)(state, *moved), losses


def train_one(
    model: Classifier,
    optimizer: optax.GradientTransformation,
    tasks: Sequence[Task],
    weights: Sequence[float],
    frozen: bool = False,
) -> Step:
    """The step of one member.

    With a `frozen` trunk it takes what `embed` makes of the images in their place.
    """

    def loss_of(
        params: Any, batch_stats: Any, inputs: Array, labels: Labels, key: Key[Array, ""]
    ) -> tuple[Array, Any]:
        logits, updated = model.apply(
            {"params": params, "batch_stats": batch_stats},
            inputs,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
            method="classify" if frozen else "__call__",
        )
        return multitask_loss(tasks, weights, logits, labels), updated.get("batch_stats", {})

    def gradient(*arguments: Any) -> tuple[Array, Any, Any]:
        (loss, batch_stats), slope = jax.value_and_grad(loss_of, has_aux=True)(*arguments)
        return loss, batch_stats, slope

    def update(state: State, batch_stats: Any, slope: Any) -> State:
        updates, opt_state = optimizer.update(slope, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(params, batch_stats, opt_state, state.trunk)

    return Step(gradient, update)


def train_all(
    one: Step,
    changes: Augment,
    key: Key[Array, ""],
    shared: bool,
    frozen: Classifier | None = None,
) -> Callable[[State, Batch, Int[Array, ""]], tuple[State, Float[Array, "member"]]]:
    """The step of all members: `(state, batch, number of the step) -> (state, losses)`.

    What members share is done once: with `shared` batches, augmentation and the first
    convolution's view of the images; with a trunk of the model `frozen`, all of the trunk.
    Randomness depends on the key, the step and the member.
    """

    def augmented(key: Key[Array, ""], pictures: UInt8[Array, "image height width 3"]) -> Array:
        if changes.is_off:
            return normalized(pictures / 255)
        change = augment.draw(
            key, len(pictures), flip=changes.flip, zoom=changes.zoom, color=changes.color
        )
        return normalized(augment.images(change, pictures))

    def step(state: State, batch: Batch, number: Int[Array, ""]) -> tuple[State, Array]:
        members = jnp.arange(state.members)
        look, drop = jax.random.split(jax.random.fold_in(key, number))
        own = jax.vmap(jax.random.fold_in, (None, 0))
        if "embeddings" in batch:
            inputs = batch["embeddings"]
        else:
            if shared:
                inputs = augmented(look, batch["images"])
            else:
                inputs = jax.vmap(augmented)(own(look, members), batch["images"])
            if frozen is not None:
                inputs = embed(frozen, state.trunk, inputs)
        return one.of_all(state, inputs, batch["labels"], own(drop, members), shared)

    return step
