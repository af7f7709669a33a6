"""EfficientNet-Lite0 (Tan and Le 2019; Liu 2020), layer for layer as in TensorFlow."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxens.models.classifier import Classifier
from jaxens.models.normalize import MEAN, STD


class Stage(NamedTuple):
    """Inverted bottlenecks of one width; the first of them has the stride."""

    blocks: int
    width: int
    kernel: int
    stride: int
    expansion: int


STAGES = (
    Stage(blocks=1, width=16, kernel=3, stride=1, expansion=1),
    Stage(blocks=2, width=24, kernel=3, stride=2, expansion=6),
    Stage(blocks=2, width=40, kernel=5, stride=2, expansion=6),
    Stage(blocks=3, width=80, kernel=3, stride=2, expansion=6),
    Stage(blocks=3, width=112, kernel=5, stride=1, expansion=6),
    Stage(blocks=4, width=192, kernel=5, stride=2, expansion=6),
    Stage(blocks=1, width=320, kernel=3, stride=1, expansion=6),
)
NAMES = tuple(f"stage{number}" for number in range(1, len(STAGES) + 1))


class InvertedBottleneck(nn.Module):
    """A wide depthwise convolution between two of 1x1, with a shortcut where shapes agree."""

    stage: Stage
    stride: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    act: Callable[[Array], Array]

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width _"]) -> Float[Array, "batch h w _"]:
        size, wide = (self.stage.kernel,) * 2, x.shape[-1] * self.stage.expansion
        y = x
        if self.stage.expansion > 1:
            y = self.conv(wide, (1, 1), name="expand_conv")(y)
            y = self.act(self.norm(name="bn0")(y))
        depthwise = partial(self.conv, feature_group_count=wide, strides=(self.stride,) * 2)
        y = self.act(self.norm(name="bn1")(depthwise(wide, size, name="depthwise_conv")(y)))
        y = self.norm(name="bn2")(self.conv(self.stage.width, (1, 1), name="project_conv")(y))
        return x + y if self.stride == 1 and x.shape[-1] == self.stage.width else y


class EfficientNetTrunk(nn.Module):
    """A stem, sixteen inverted bottlenecks and a 1x1 convolution to 1280 features."""

    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    act: Callable[[Array], Array]

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width _"], train: bool, stages: Sequence[str]
    ) -> Float[Array, "batch h w 1280"]:
        norm = partial(self.norm, use_running_average=not train)
        if "conv_stem" in stages:
            x = self.conv(32, (3, 3), strides=(2, 2), name="conv_stem")(_rescaled(x))
            x = self.act(norm(name="bn0")(x))
        number = 0
        for name, stage in zip(NAMES, STAGES, strict=True):
            for block in range(stage.blocks):
                if name in stages:
                    x = InvertedBottleneck(
                        stage=stage,
                        stride=1 if block else stage.stride,
                        conv=self.conv,
                        norm=norm,
                        act=self.act,
                        name=f"blocks_{number}",
                    )(x)
                number += 1
        if "conv_head" in stages:
            x = self.act(norm(name="bn1")(self.conv(1280, (1, 1), name="conv_head")(x)))
        return x


class EfficientNetLite0(Classifier):
    """EfficientNet-Lite0. It has 4,652,008 parameters with 1000 logits.

    It has neither squeeze-and-excitation nor swish. Features have 1/32 of the image's size. Its
    activation is ReLU6, which is `act` with a cap: with `guided_relu`, the logits are the same.
    """

    @property
    def stage_names(self) -> tuple[str, ...]:
        return ("conv_stem", *NAMES, "conv_head")

    def setup(self) -> None:
        super().setup()
        # TensorFlow's padding is XLA's SAME, and its batch normalization adds 1e-3.
        conv = partial(self.conv(use_bias=False), padding="SAME")
        norm = partial(self.norm(), epsilon=1e-3)
        self.trunk = EfficientNetTrunk(conv, norm, lambda x: jnp.minimum(self.act(x), 6))


def _rescaled(images: Float[Array, "batch height width 3"]) -> Float[Array, "batch height width 3"]:
    """Turns images that are normalized as for all models into (pixel - 127) / 128."""
    mean, std = (jnp.array(x, jnp.float32).reshape(1, 1, 1, 3) for x in (MEAN, STD))
    return ((images.astype(jnp.float32) * std + mean) * 255 - 127) / 128
