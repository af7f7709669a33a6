"""The ensemble that is measured, built as by `jaxens.train`, and images of noise."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Float, Int

from jaxens.attribution import guided_relu
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
Model = Callable[[Array], Array]


class Explained(Protocol):
    """What the benchmarks of explanations need to know: networks, images and labels."""

    @property
    def images(self) -> Float[Array, "image height width 3"]:
        """Normalized images."""

    @property
    def labels(self) -> Int[Array, "image"]:
        """The classes that are explained."""

    @property
    def dtype(self) -> str:
        """The type of the computation."""

    @property
    def work(self) -> Work:
        """The FLOP of one image in one network."""

    def describe(self) -> str:
        """Returns the number of networks, their name, images and type in a line."""

    def networks(self) -> list[Any]:
        """Returns the variables of each network."""

    def functions(self, variables: Any) -> dict[str, Model]:
        """Returns the functions of a network; the keys are fields of `attribution.Network`."""

    def twin(self, variables: Any) -> Any:
        """Returns a network in PyTorch, with the same weights."""


def noise(
    image_size: int, images: int
) -> tuple[Float[Array, "image height width 3"], Int[Array, "image"]]:
    """Draws images of noise and random labels."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (images, image_size, image_size, 3)).astype(np.float32)
    return jnp.asarray(values), jnp.asarray(rng.integers(0, CLASSES, images), jnp.int32)


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
        return cls(
            config,
            build_model(config, (TASK,)),
            build_optimizer(config.optim, steps=2),
            *noise(image_size, batch_size),
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

    def networks(self) -> list[Any]:
        """Returns the variables of each member at the start of training."""
        variables = self.state().variables
        return [member(variables, k) for k in range(self.members)]

    def functions(self, variables: Any) -> dict[str, Model]:
        """Returns the functions of a member; the keys are fields of `attribution.Network`."""
        model, guided = self.model, self.model.clone(act=guided_relu)
        return {
            "logits_fn": lambda images: model.apply(variables, images)[TASK.name],
            "features_fn": lambda images: model.apply(variables, images, method="features"),
            "head_fn": lambda values: model.apply(variables, values, method="head")[TASK.name],
            "guided_logits_fn": lambda images: guided.apply(variables, images)[TASK.name],
        }

    def twin(self, variables: Any) -> Any:
        """Returns a member in PyTorch, with the same weights."""
        from jaxens.benchmarks.torch_models import TWINS
        from jaxens.benchmarks.torch_weights import state_dict

        name = self.config.model.name
        twin = TWINS[name](CLASSES)
        twin.load_state_dict(state_dict(name, variables), strict=False)
        return twin

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
