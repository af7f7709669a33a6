"""ResNets (He et al. 2016), layer for layer as in torchvision."""

from collections.abc import Callable, Sequence
from functools import partial

from flax import linen as nn
from jaxtyping import Array, Float

from jaxens.models.classifier import Classifier
from jaxens.ops import max_pool


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is projected if the shape changes."""

    width: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    act: Callable[[Array], Array]
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width _"]) -> Float[Array, "batch h w _"]:
        strides = (self.stride, self.stride)
        # PyTorch pads both sides equally; XLA's SAME would shift a stride of 2 by a pixel.
        y = self.conv(self.width, (3, 3), strides=strides, padding=1, name="conv1")(x)
        y = self.act(self.norm(name="bn1")(y))
        y = self.conv(self.width, (3, 3), padding=1, name="conv2")(y)
        y = self.norm(name="bn2")(y)
        if self.stride != 1 or x.shape[-1] != self.width:
            x = self.conv(self.width, (1, 1), strides=strides, padding=0, name="downsample_0")(x)
            x = self.norm(name="downsample_1")(x)
        return self.act(x + y)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, the last four times as wide, and a shortcut.

    The 3x3 convolution has the stride ("ResNet v1.5"); in the paper, the first one has it.
    """

    width: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    act: Callable[[Array], Array]
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width _"]) -> Float[Array, "batch h w _"]:
        strides, wide = (self.stride, self.stride), 4 * self.width
        y = self.act(self.norm(name="bn1")(self.conv(self.width, (1, 1), name="conv1")(x)))
        y = self.conv(self.width, (3, 3), strides=strides, padding=1, name="conv2")(y)
        y = self.act(self.norm(name="bn2")(y))
        y = self.norm(name="bn3")(self.conv(wide, (1, 1), name="conv3")(y))
        if self.stride != 1 or x.shape[-1] != wide:
            x = self.conv(wide, (1, 1), strides=strides, padding=0, name="downsample_0")(x)
            x = self.norm(name="downsample_1")(x)
        return self.act(x + y)


class ResNetTrunk(nn.Module):
    """A stem and four stages of blocks; features have 1/32 of the image's size."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    width: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    act: Callable[[Array], Array]

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width _"], train: bool, stages: Sequence[str]
    ) -> Float[Array, "batch h w channel"]:
        norm = partial(self.norm, use_running_average=not train)
        if "conv1" in stages:
            x = self.conv(self.width, (7, 7), strides=(2, 2), padding=3, name="conv1")(x)
            x = self.act(norm(name="bn1")(x))
            x = max_pool(x, 3, 2, padding=1)
        kind = Bottleneck if self.bottleneck else BasicBlock
        for stage, blocks in enumerate(self.blocks):
            for block in range(blocks if f"layer{stage + 1}" in stages else 0):
                x = kind(
                    width=self.width * 2**stage,
                    conv=self.conv,
                    norm=norm,
                    act=self.act,
                    stride=2 if stage > 0 and block == 0 else 1,
                    name=f"layer{stage + 1}_{block}",
                )(x)
        return x


class ResNet(Classifier):
    """ResNet-18, or a ResNet with other blocks; features are the output of layer4.

    With 1000 logits, ResNet-18 has 11,689,512 parameters, ResNet-34 21,797,672 and ResNet-50
    25,557,032.

    Attributes:
        blocks: The number of blocks of each stage. ResNet-34 and ResNet-50 have (3, 4, 6, 3).
        bottleneck: Whether blocks are bottlenecks, as in ResNet-50.
        width: The channels of the first stage (bottlenecks: of its 3x3 convolutions); each later
            stage doubles them.
    """

    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    bottleneck: bool = False
    width: int = 64

    @property
    def stage_names(self) -> tuple[str, ...]:
        return ("conv1", "layer1", "layer2", "layer3", "layer4")

    def setup(self) -> None:
        super().setup()
        self.trunk = ResNetTrunk(
            blocks=self.blocks,
            bottleneck=self.bottleneck,
            width=self.width,
            conv=self.conv(use_bias=False),
            norm=self.norm(),
            act=self.act,
        )
