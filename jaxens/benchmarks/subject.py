"""The ensemble that is measured, built as by `jaxens.train`, and images of noise."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Float, Int

from jaxens.benchmarks.options import Dtype, Measured
from jaxens.data.schema import Task
from jaxens.ensemble import Ensemble
from jaxens.models import Classifier
from jaxens.models.flops import Work, work_of
from jaxens.models.trunk import without_heads
from jaxens.training.settings import Config
from jaxens.training.state import State, build_model, build_optimizer, compute_dtype, init
from jaxens.training.step import Step, train_one

CLASSES = 18  # as many as FieldMarks has species
TASK = Task.multiclass("species", tuple(str(k) for k in range(CLASSES)))
# Small and constant, so that noise under random labels does not diverge.
LEARNING_RATE, WEIGHT_DECAY = 1e-4, 1e-4


@dataclass(frozen=True)
class Subject:
    """An ensemble's config, model and optimizer, and one batch.

    Images are normalized floats, so that both sides of a comparison start from the same numbers.
    There is no augmentation.
    """

    config: Config
    model: Classifier
    optimizer: optax.GradientTransformation
    images: Float[Array, "image height width 3"]
    labels: Int[Array, "image"]

    @classmethod
    def make(
        cls,
        model: Measured,
        members: int,
        image_size: int,
        batch_size: int,
        dtype: Dtype,
        base: Literal["own", "frozen"] = "own",
    ) -> "Subject":
        """Draws images of noise and random labels; with base "frozen", only the heads train."""
        default = Config()
        config = replace(
            default,
            data=replace(default.data, image_size=image_size),
            model=replace(
                default.model, name=model, dtype=dtype, weights="random" if base == "frozen" else ""
            ),
            ensemble=replace(default.ensemble, members=members, base=base),
            optim=replace(
                default.optim,
                batch_size=batch_size,
                learning_rate=LEARNING_RATE,
                schedule="constant",
                warmup=0.0,
                weight_decay=WEIGHT_DECAY,
            ),
        )
        rng = np.random.default_rng(0)
        images = rng.normal(0, 1, (batch_size, image_size, image_size, 3)).astype(np.float32)
        return cls(
            config,
            build_model(config, (TASK,)),
            build_optimizer(config.optim, steps=2),
            jnp.asarray(images),
            jnp.asarray(rng.integers(0, CLASSES, batch_size), jnp.int32),
        )

    def with_convolutions(self, conv_general_dilated: Callable[..., Array]) -> "Subject":
        """Returns the same subject, whose model computes convolutions by another function.

        Args:
            conv_general_dilated: Has the signature of `jax.lax.conv_general_dilated`.
        """
        model = self.model.clone(conv_general_dilated=conv_general_dilated)
        return replace(self, model=model)

    @property
    def members(self) -> int:
        """The number of members."""
        return self.config.ensemble.members

    @property
    def dtype(self) -> str:
        """The type of the computation."""
        return jnp.dtype(compute_dtype(self.config.model.dtype)).name

    @property
    def work(self) -> Work:
        """The FLOP of one image in one member."""
        return work_of(self.config.model.name, CLASSES, self.config.data.image_size)

    def state(self) -> State:
        """Members at the start of training."""
        weights = None
        if self._frozen:
            weights = without_heads(self.model.init(jax.random.key(1), self.images[:1]))
        return init(self.config, self.model, self.optimizer, jax.random.key(0), weights)

    def ensemble(self) -> Ensemble:
        """Returns the members at the start of training."""
        state = self.state()
        return Ensemble(self.model, state.variables, (TASK,), trunk=state.trunk)

    def step(self) -> Step:
        """Returns one member's step; that of its heads if the trunk is frozen."""
        return train_one(self.model, self.optimizer, (TASK,), (1.0,), self.config.frozen_below)

    @property
    def _frozen(self) -> bool:
        return self.config.ensemble.base == "frozen"

    def describe(self) -> str:
        """Returns members, model, images and type in a line."""
        config = self.config
        return (
            f"{config.ensemble.members} {config.model.name}, {config.optim.batch_size} images of "
            f"{config.data.image_size} px, {self.dtype}"
        )


def member(variables: Any, k: int) -> Any:
    """Returns one member of a stacked tree."""
    return jax.tree.map(lambda leaf: leaf[k], variables)
