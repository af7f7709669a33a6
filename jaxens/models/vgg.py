"""VGG16 (Simonyan and Zisserman 2015), layer for layer as in torchvision."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.nn.initializers import normal
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxens.models.classifier import Classifier

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions
HIDDEN_INIT = normal(0.01)


class VGGTrunk(nn.Module):
    """The thirteen convolutions, up to relu5_3; 1/16 of the image's size at the end."""

    conv: Callable[..., nn.Module]
    act: Callable[[Array], Array]

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width 3"], train: bool
    ) -> Float[Array, "batch h w 512"]:
        height, width = x.shape[1:3]
        if min(height, width) < 32:
            raise ValueError(
                f"VGG16 halves an image five times: it must be at least 32x32 pixels, "
                f"got {height}x{width}"
            )
        for stage, (channels, convolutions) in enumerate(STAGES, start=1):
            if stage > 1:
                x = nn.max_pool(x, (2, 2), strides=(2, 2))
            for i in range(1, convolutions + 1):
                x = self.conv(channels, (3, 3), padding=1, name=f"conv{stage}_{i}")(x)
                x = self.act(x)
        return x


class VGGNeck(nn.Module):
    """The two hidden layers of the full classifier, with dropout behind each."""

    hidden: int
    act: Callable[[Array], Array]
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, features: Float[Array, "batch h w channel"], train: bool
    ) -> Float[Array, "batch {self.hidden}"]:
        x = nn.max_pool(features, (2, 2), strides=(2, 2))
        x = adaptive_average_pool(x, 7)
        # Channel-major, as PyTorch's images are, so that its weights fit.
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
        for name in ("fc6", "fc7"):
            x = nn.Dense(self.hidden, dtype=self.dtype, kernel_init=HIDDEN_INIT, name=name)(x)
            x = nn.Dropout(0.5, deterministic=not train)(self.act(x))
        return x


class VGG16(Classifier):
    """VGG16. Features are relu5_3, before the last max pool: 14x14 for an image of 224 px.

    The light head is a global average pool and the dense layer of each task: eleven members
    of it fit where eleven full classifiers, with their optimiser's state, need 18 GB. The
    full one is torchvision's (138,357,544 parameters with 1000 logits).

    Attributes:
        full: the full classifier instead of the light head.
        hidden: the width of the full classifier's two hidden layers.

    Images below 32 pixels a side raise `ValueError`.
    """

    full: bool = False
    hidden: int = 4096

    def setup(self) -> None:
        super().setup()
        self.trunk = VGGTrunk(self.conv(use_bias=True), self.act)
        if self.full:
            self.neck = VGGNeck(self.hidden, self.act, self.dtype)

    def pool(
        self, features: Float[Array, "batch h w channel"], train: bool
    ) -> Float[Array, "batch channel"]:
        return self.neck(features, train) if self.full else super().pool(features, train)


def adaptive_average_pool(
    x: Float[Array, "batch height width channel"], size: int
) -> Float[Array, "batch {size} {size} channel"]:
    """`torch.nn.AdaptiveAvgPool2d(size)`, for images of any size, also smaller than `size`."""
    rows, columns = (_pooling_matrix(n, size) for n in x.shape[1:3])
    pooled = jnp.einsum(
        "ih,jw,bhwc->bijc",
        rows,
        columns,
        x.astype(jnp.float32),
        precision=jax.lax.Precision.HIGHEST,
    )
    return pooled.astype(x.dtype)


def _pooling_matrix(n: int, size: int) -> Float[np.ndarray, "{size} {n}"]:
    """Row i averages the cells from floor(i n / size) up to ceil((i + 1) n / size)."""
    i = np.arange(size)[:, None]
    cells = np.arange(n)
    inside = (cells >= i * n // size) & (cells < -(-(i + 1) * n // size))
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)
