"""VGG (Simonyan and Zisserman 2015): VGG16, layer for layer as in torchvision, and a small one."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.nn.initializers import normal
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxens.models.classifier import Classifier, Dropout
from jaxens.ops import max_pool

# The number of channels and of convolutions of each stage.
STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
SMALL_STAGES = ((8, 1), (16, 1), (32, 1), (64, 2))
HIDDEN_INIT = normal(0.01)


class VGGTrunk(nn.Module):
    """The convolutions, up to the last activation; each stage but the first halves the image."""

    stages: tuple[tuple[int, int], ...]
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module] | None
    act: Callable[[Array], Array]

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width _"], train: bool, stages: Sequence[str]
    ) -> Float[Array, "batch h w channel"]:
        height, width = x.shape[1:3]
        least = 2 ** len(self.stages)
        if "conv1" in stages and min(height, width) < least:
            raise ValueError(
                f"a VGG of {len(self.stages)} stages halves an image as often: it must be at least "
                f"{least}x{least} pixels, got {height}x{width}"
            )
        for stage, (channels, convolutions) in enumerate(self.stages, start=1):
            if f"conv{stage}" not in stages:
                continue
            if stage > 1:
                x = max_pool(x, 2, 2)
            for i in range(1, convolutions + 1):
                x = self.conv(channels, (3, 3), padding=1, name=f"conv{stage}_{i}")(x)
                if self.norm:
                    x = self.norm(use_running_average=not train, name=f"bn{stage}_{i}")(x)
                x = self.act(x)
        return x


class VGGNeck(nn.Module):
    """The two hidden layers of the full classifier, with dropout after each."""

    hidden: int
    act: Callable[[Array], Array]
    dtype: DTypeLike
    data_axis: str | None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch channel"], train: bool
    ) -> Float[Array, "batch {self.hidden}"]:
        for name in ("fc6", "fc7"):
            x = nn.Dense(self.hidden, dtype=self.dtype, kernel_init=HIDDEN_INIT, name=name)(x)
            x = Dropout(self.data_axis)(self.act(x), train)
        return x


class VGG(Classifier):
    """VGG16, or a VGG with other stages.

    Features of VGG16 are relu5_3, before the last max pool: 14x14 for an image of 224 px. The
    small VGG has 8x8 features for an image of 64 px, after 7 million multiply-adds.

    The light head is a global average pool and a dense layer per task. The full classifier is
    that of torchvision (138,357,544 parameters with 1000 logits); eleven members of it need
    18 GB with their optimizer state.

    Attributes:
        stages: The number of channels and of convolutions of each stage; there is a max pool
            between stages.
        batch_norm: Whether batch normalization follows each convolution, which has no bias then.
            The small VGG needs it to train from random weights.
        full_classifier: Whether the model has the full classifier instead of the light head.
        hidden: The width of the two hidden layers of the full classifier.

    Raises:
        ValueError: If an image can't be halved once per stage (VGG16: below 32 pixels).
    """

    stages: tuple[tuple[int, int], ...] = STAGES
    batch_norm: bool = False
    full_classifier: bool = False
    hidden: int = 4096

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(f"conv{stage}" for stage in range(1, len(self.stages) + 1))

    def setup(self) -> None:
        super().setup()
        norm = self.norm() if self.batch_norm else None
        self.trunk = VGGTrunk(self.stages, self.conv(use_bias=norm is None), norm, self.act)
        if self.full_classifier:
            self.neck = VGGNeck(self.hidden, self.act, self.dtype, self.data_axis)

    def pool(self, features: Float[Array, "batch h w channel"]) -> Float[Array, "batch channel"]:
        """Averages to 1x1 cells, or to 7x7 for the full classifier."""
        if not self.full_classifier:
            return super().pool(features)
        cells = adaptive_average_pool(max_pool(features, 2, 2), 7)
        # Channel-major, as PyTorch's images are, so that its weights fit.
        return cells.transpose(0, 3, 1, 2).reshape(cells.shape[0], -1)

    def classify(
        self, features: Float[Array, "batch channel"], train: bool = False
    ) -> dict[str, Float[Array, "batch _"]]:
        """Returns the logits of each task, from the output of `pool`."""
        return super().classify(self.neck(features, train) if self.full_classifier else features)


def adaptive_average_pool(
    x: Float[Array, "batch height width channel"], size: int
) -> Float[Array, "batch {size} {size} channel"]:
    """Averages images to a grid of cells, as `torch.nn.AdaptiveAvgPool2d(size)` does.

    Args:
        x: Images of any size, also smaller than `size`.
        size: The number of rows and columns of cells.
    """
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
    """Returns weights; row i averages pixels from floor(i n / size) to ceil((i + 1) n / size)."""
    i = np.arange(size)[:, None]
    pixels = np.arange(n)
    inside = (pixels >= i * n // size) & (pixels < -(-(i + 1) * n // size))
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)
