"""One training step of all members: a pure function of one, under `vmap` and `jit`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int, Key, UInt8

from jaxens.config import Augment
from jaxens.data import augment
from jaxens.data.schema import Task
from jaxens.ensemble.loss import Labels, multitask_loss
from jaxens.ensemble.state import State
from jaxens.models import Classifier

# ImageNet's colours, as torchvision's models expect them.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Batch = Mapping[str, Any]  # images uint8 [(member) image height width 3], labels by task


def normalized(unit: Float[Array, "*lead height width 3"]) -> Float[Array, "*lead height width 3"]:
    """Pictures in 0 to 1 as models take them. Zero is then the mean colour, not black."""
    return (unit - jnp.array(MEAN)) / jnp.array(STD)


def train_one(
    model: Classifier,
    optimizer: optax.GradientTransformation,
    tasks: Sequence[Task],
    weights: Sequence[float],
) -> Callable[..., tuple[State, Float[Array, ""]]]:
    """The step of one member: `(state, images, labels, key) -> (state, loss)`."""

    def loss_of(
        params: Any, batch_stats: Any, images: Array, labels: Labels, key: Key[Array, ""]
    ) -> tuple[Array, Any]:
        logits, updated = model.apply(
            {"params": params, "batch_stats": batch_stats},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        return multitask_loss(tasks, weights, logits, labels), updated.get("batch_stats", {})

    def step(
        state: State,
        images: Float[Array, "image height width 3"],
        labels: Labels,
        key: Key[Array, ""],
    ) -> tuple[State, Float[Array, ""]]:
        (loss, batch_stats), gradient = jax.value_and_grad(loss_of, has_aux=True)(
            state.params, state.batch_stats, images, labels, key
        )
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        return State(optax.apply_updates(state.params, updates), batch_stats, opt_state), loss

    return step


def train_all(
    one: Callable[..., tuple[State, Array]], changes: Augment, key: Key[Array, ""], shared: bool
) -> Callable[[State, Batch, Int[Array, ""]], tuple[State, Float[Array, "member"]]]:
    """The step of all members: `(state, batch, number of the step) -> (state, losses)`.

    What members share is done once: with `shared` batches, augmentation and the first
    convolution's view of the images. Randomness depends on the key, the step and the member.
    """

    def augmented(key: Key[Array, ""], pictures: UInt8[Array, "image height width 3"]) -> Array:
        change = augment.draw(
            key, len(pictures), flip=changes.flip, zoom=changes.zoom, colour=changes.colour
        )
        return normalized(augment.images(change, pictures))

    def step(state: State, batch: Batch, number: Int[Array, ""]) -> tuple[State, Array]:
        members = jnp.arange(jax.tree.leaves(state.params)[0].shape[0])
        look, drop = jax.random.split(jax.random.fold_in(key, number))
        own = jax.vmap(jax.random.fold_in, (None, 0))
        if shared:
            images = augmented(look, batch["images"])
        else:
            images = jax.vmap(augmented)(own(look, members), batch["images"])
        axis = None if shared else 0
        return jax.vmap(one, in_axes=(0, axis, axis, 0))(
            state, images, batch["labels"], own(drop, members)
        )

    return step
