"""The base of every model: a trunk that computes features, and a head with logits per task."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.nn.initializers import variance_scaling
from jax.typing import DTypeLike
from jaxtyping import Array, Float

# As in torchvision: kaiming_normal_(mode="fan_out", nonlinearity="relu") for convolutions, and
# the default of torch.nn.Linear for heads (but biases start at zero here).
KAIMING_FAN_OUT = variance_scaling(2.0, "fan_out", "normal")
LINEAR = variance_scaling(1 / 3, "fan_in", "uniform")
HEADS = "heads"  # follows the last stage


class BatchNorm(nn.BatchNorm):
    """Flax's batch normalization, for bfloat16 inputs also where type promotion is strict.

    Flax subtracts a float32 mean from its inputs, and relies on JAX to promote them.
    """

    def __call__(
        self, x: Float[Array, "batch height width channel"], *args: Any, **options: Any
    ) -> Float[Array, "batch height width channel"]:
        with jax.numpy_dtype_promotion("standard"):
            return super().__call__(x, *args, **options)


class Dropout(nn.Module):
    """Flax's dropout of half of the values, with the same draws on any number of devices.

    Attributes:
        data_axis: The mesh axis over which the images of a batch are spread.
    """

    data_axis: str | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch channel"], train: bool
    ) -> Float[Array, "batch channel"]:
        if not train:
            return x
        axis = self.data_axis
        devices = 1 if axis is None else jax.lax.axis_size(axis)
        shape = (devices * len(x), *x.shape[1:])
        kept = jax.random.bernoulli(self.make_rng("dropout"), 0.5, shape)
        if axis is not None:
            kept = jax.lax.dynamic_slice_in_dim(kept, len(x) * jax.lax.axis_index(axis), len(x))
        return jnp.where(kept, x / 0.5, jnp.zeros_like(x))


class Heads(nn.Module):
    """One dense layer per task, always computed in float32."""

    tasks: tuple[tuple[str, int], ...]

    @nn.compact
    def __call__(self, pooled: Float[Array, "batch channel"]) -> dict[str, Float[Array, "batch _"]]:
        """Returns the logits of each task."""
        return {
            task: nn.Dense(logits, dtype=jnp.float32, kernel_init=LINEAR, name=task)(pooled)
            for task, logits in self.tasks
        }


class Classifier(nn.Module):
    """A trunk (images to features) and a head (features to the logits of every task).

    The model is split in two halves, so that Grad-CAM can read the features between them:
    `model.apply(variables, images, method="features")`, then `method="head"`. There is a second
    split at the pooled features, for a frozen trunk: `method="pooled_features"`, then
    `method="classify"`. `method="below"` and `method="above"` split it at any stage.

    Parameters are in `trunk` and `heads`; VGG16's full classifier adds `neck`. With `train=True`,
    batch normalization uses the statistics of the batch (pass `mutable=["batch_stats"]`), and
    dropout draws from the `dropout` key.

    A subclass sets `self.trunk` in `setup`, and has `stage_names`. Running variances are biased, as
    in Flax; PyTorch's are larger by n / (n - 1), where n is the number of values per channel.

    Attributes:
        tasks: The name of each task and its number of logits.
        conv_general_dilated: Computes every convolution; has the signature of
            `jax.lax.conv_general_dilated`.
        act: The activation after every layer. For guided backpropagation, use the same model with
            another activation: `model.clone(act=...)`.
        dtype: The type of the computation. Parameters, batch statistics and logits are float32.
        data_axis: In training, the mesh axis over which the images of a batch are spread: batch
            normalization and dropout then do as with the whole batch on one device.
        synchronized: Whether batch normalization takes the statistics of the whole batch, or
            of the images of its device.

    Raises:
        ValueError: If tasks are empty, have the same name, or have no logits; if images are not
            [batch, height, width, 3] floats.
    """

    tasks: tuple[tuple[str, int], ...]
    conv_general_dilated: Callable[..., Array] = jax.lax.conv_general_dilated
    act: Callable[[Array], Array] = nn.relu
    dtype: DTypeLike = jnp.float32
    data_axis: str | None = None
    synchronized: bool = True

    def setup(self) -> None:
        names = [name for name, _ in self.tasks]
        if not names or len(set(names)) < len(names) or min(k for _, k in self.tasks) < 1:
            raise ValueError(
                "tasks must be one or more pairs of a unique name and a number of logits >= 1, "
                f"got {self.tasks}"
            )
        self.heads = Heads(self.tasks)

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Returns the names of the trunk's stages, in their order."""
        raise NotImplementedError

    def features(
        self, images: Float[Array, "batch height width 3"], train: bool = False
    ) -> Float[Array, "batch h w channel"]:
        """Returns the output of the last convolutional layer, for normalized images."""
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"images must be [batch, height, width, 3], got {images.shape}")
        if not jnp.issubdtype(images.dtype, jnp.floating):
            raise ValueError(f"images must be normalized floats, got {images.dtype}: scale them")
        return self.trunk(images, train, self.stage_names)

    def head(
        self, features: Float[Array, "batch h w channel"], train: bool = False
    ) -> dict[str, Float[Array, "batch _"]]:
        """Returns the logits of each task, from the output of `features`."""
        return self.classify(self.pool(features), train)

    def pooled_features(
        self, images: Float[Array, "batch height width 3"], train: bool = False
    ) -> Float[Array, "batch channel"]:
        """Returns pooled features, for normalized images; uses the trunk's parameters only."""
        return self.pool(self.features(images, train))

    def classify(
        self, features: Float[Array, "batch channel"], train: bool = False
    ) -> dict[str, Float[Array, "batch _"]]:
        """Returns the logits of each task, from pooled features; uses all other parameters."""
        return self.heads(features)

    def below(
        self, images: Float[Array, "batch height width 3"], stage: str = HEADS
    ) -> Float[Array, "batch ..."]:
        """Returns the input of a stage, or of the heads, as those below are when they are frozen.

        Args:
            images: Normalized.
            stage: Any of `stage_names` but the first, or "heads": pooled features.
        """
        if stage == HEADS:
            return self.pooled_features(images)
        return self.trunk(images, False, self.stage_names[: self.stage_names.index(stage)])

    def above(
        self, x: Float[Array, "batch ..."], stage: str = HEADS, train: bool = False
    ) -> dict[str, Float[Array, "batch _"]]:
        """Returns the logits of each task, from the output of `below`.

        Args:
            x: The input of the stage.
            stage: As for `below`.
            train: As for the whole model.
        """
        if stage == HEADS:
            return self.classify(x, train)
        stages = self.stage_names[self.stage_names.index(stage) :]
        return self.head(self.trunk(x, train, stages), train)

    def pool(self, features: Float[Array, "batch h w channel"]) -> Float[Array, "batch channel"]:
        """Averages features over height and width, in float32."""
        return jnp.mean(features, axis=(1, 2), dtype=jnp.float32)

    def __call__(
        self, images: Float[Array, "batch height width 3"], train: bool = False
    ) -> dict[str, Float[Array, "batch _"]]:
        """Returns the logits of each task, for normalized images."""
        return self.head(self.features(images, train), train)

    @nn.nowrap
    def conv(self, use_bias: bool) -> Callable[..., nn.Module]:
        """Returns the convolution that a trunk is built from."""
        return partial(
            nn.Conv,
            use_bias=use_bias,
            dtype=self.dtype,
            kernel_init=KAIMING_FAN_OUT,
            conv_general_dilated=self.conv_general_dilated,
        )

    @nn.nowrap
    def norm(self) -> Callable[..., nn.Module]:
        """Returns the normalization that a trunk is built from, with PyTorch's constants."""
        # In Flax, momentum is the weight of the old value; in PyTorch (0.1), of the new one.
        axis = self.data_axis if self.synchronized else None
        return partial(BatchNorm, momentum=0.9, epsilon=1e-5, dtype=self.dtype, axis_name=axis)
