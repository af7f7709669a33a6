"""What every model is: features, and a head with the logits of each task."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.nn.initializers import variance_scaling
from jax.typing import DTypeLike
from jaxtyping import Array, Float

# As torchvision draws them: kaiming_normal_(mode="fan_out", nonlinearity="relu") for every
# convolution, torch.nn.Linear's own for a head (whose biases start at zero here).
KAIMING_FAN_OUT = variance_scaling(2.0, "fan_out", "normal")
LINEAR = variance_scaling(1 / 3, "fan_in", "uniform")


class BatchNorm(nn.BatchNorm):
    """Flax's batch normalization, which takes bfloat16 images also under strict type promotion.

    Flax subtracts a float32 mean from bfloat16 images and leaves the cast to JAX's promotion.
    """

    def __call__(
        self, x: Float[Array, "batch height width channel"], *args: Any, **options: Any
    ) -> Float[Array, "batch height width channel"]:
        with jax.numpy_dtype_promotion("standard"):
            return super().__call__(x, *args, **options)


class Heads(nn.Module):
    """One dense layer per task, computed in float32 whatever the rest is computed in."""

    tasks: tuple[tuple[str, int], ...]

    @nn.compact
    def __call__(self, pooled: Float[Array, "batch channel"]) -> dict[str, Float[Array, "batch _"]]:
        return {
            task: nn.Dense(logits, dtype=jnp.float32, kernel_init=LINEAR, name=task)(pooled)
            for task, logits in self.tasks
        }


class Classifier(nn.Module):
    """A trunk (images to features) and a head (features to the logits of every task).

    The two halves are methods, so that an explanation may read the features between them:
    `model.apply(variables, images, method="features")`, then `method="head"`. Together they
    are the model. So are `method="pooled_features"` (the trunk's features, pooled without
    parameters) and `method="classify"` (everything above). Parameters lie in `trunk` and `heads`
    (VGG16's full classifier adds `neck`). With `train=True` batch
    normalisation uses the batch's statistics (pass `mutable=["batch_stats"]`) and dropout draws
    from the `dropout` key.

    A subclass sets `self.trunk` in `setup`. Running variances are the batch's biased ones,
    as Flax keeps them; PyTorch's are larger by n / (n - 1), n being the values per channel.

    Attributes:
        tasks: the name of each task and its number of logits.
        conv_general_dilated: the implementation of every convolution, with the signature of
            `jax.lax.conv_general_dilated`.
        act: the activation behind every layer; guided backpropagation is the same model with
            another one, `model.clone(act=...)`.
        dtype: of the computation. Parameters, batch statistics and logits are float32.
    """

    tasks: tuple[tuple[str, int], ...]
    conv_general_dilated: Callable[..., Array] = jax.lax.conv_general_dilated
    act: Callable[[Array], Array] = nn.relu
    dtype: DTypeLike = jnp.float32

    def setup(self) -> None:
        names = [name for name, _ in self.tasks]
        if not names or len(set(names)) < len(names) or min(k for _, k in self.tasks) < 1:
            raise ValueError(
                "tasks must be one or more pairs of a unique name and a number of logits >= 1, "
                f"got {self.tasks}"
            )
        self.heads = Heads(self.tasks)

    def features(
        self, images: Float[Array, "batch height width 3"], train: bool = False
    ) -> Float[Array, "batch h w channel"]:
        """The output of the last convolutional layer, for normalised images."""
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"images must be [batch, height, width, 3], got {images.shape}")
        if not jnp.issubdtype(images.dtype, jnp.floating):
            raise ValueError(f"images must be normalised floats, got {images.dtype}: scale them")
        return self.trunk(images, train)

    def head(
        self, features: Float[Array, "batch h w channel"], train: bool = False
    ) -> dict[str, Float[Array, "batch _"]]:
        """The logits of each task."""
        return self.classify(self.pool(features), train)

    def pooled_features(
        self, images: Float[Array, "batch height width 3"], train: bool = False
    ) -> Float[Array, "batch channel"]:
        """Pooled features, for normalised images: no parameters but the trunk's."""
        return self.pool(self.features(images, train))

    def classify(
        self, embedding: Float[Array, "batch channel"], train: bool = False
    ) -> dict[str, Float[Array, "batch _"]]:
        """The logits of each task, from pooled features: every parameter but the trunk's."""
        return self.heads(embedding)

    def pool(self, features: Float[Array, "batch h w channel"]) -> Float[Array, "batch channel"]:
        """Global average pooling, summed in float32."""
        return jnp.mean(features, axis=(1, 2), dtype=jnp.float32)

    def __call__(
        self, images: Float[Array, "batch height width 3"], train: bool = False
    ) -> dict[str, Float[Array, "batch _"]]:
        """The logits of each task, for normalised images."""
        return self.head(self.features(images, train), train)

    @nn.nowrap
    def conv(self, use_bias: bool) -> Callable[..., nn.Module]:
        """The convolution that is threaded through a trunk."""
        return partial(
            nn.Conv,
            use_bias=use_bias,
            dtype=self.dtype,
            kernel_init=KAIMING_FAN_OUT,
            conv_general_dilated=self.conv_general_dilated,
        )

    @nn.nowrap
    def norm(self) -> Callable[..., nn.Module]:
        """The normalisation that is threaded through a trunk, with PyTorch's constants."""
        # Flax's momentum is the share of the old value, PyTorch's (0.1) that of the new one.
        return partial(BatchNorm, momentum=0.9, epsilon=1e-5, dtype=self.dtype)
