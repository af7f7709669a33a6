"""A small ResNet for images of about 64 px, fast enough for eleven members on a CPU."""

from collections.abc import Callable, Sequence
from functools import partial

from flax import linen as nn
from jaxtyping import Array, Float

from jaxens.models.classifier import Classifier
from jaxens.models.resnet import BasicBlock


class SmallTrunk(nn.Module):
    """Stages of a strided convolution, which halves the image, and residual blocks.

    There is no max pooling, whose gradient (select-and-scatter) is slow on XLA:CPU. Shortcuts
    are not projected, because blocks don't change the shape.
    """

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    act: Callable[[Array], Array]

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width _"], train: bool, stages: Sequence[str]
    ) -> Float[Array, "batch h w channel"]:
        norm = partial(self.norm, use_running_average=not train)
        for stage, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            if f"stage{stage}" not in stages:
                continue
            # A kernel that is a multiple of its stride reads every pixel equally often.
            kernel = (4, 4) if stage == 0 else (3, 3)
            x = self.conv(width, kernel, strides=(2, 2), padding=1, name=f"down{stage}")(x)
            x = self.act(norm(name=f"bn{stage}")(x))
            for block in range(blocks):
                x = BasicBlock(width, self.conv, norm, self.act, name=f"stage{stage}_{block}")(x)
        return x


class SmallResNet(Classifier):
    """A ResNet with 8 million multiply-adds for an image of 64 px; features are 8x8 then.

    Most of the work is at 8x8, where a convolution is one large matrix product and the
    activations are small. The receptive field of a feature is 48x48 pixels.

    Attributes:
        widths: The number of channels of each stage; each stage halves the image.
        blocks: The number of residual blocks of each stage, after its strided convolution.

    Raises:
        ValueError: If `widths` and `blocks` have different lengths.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    blocks: tuple[int, ...] = (0, 0, 1)

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(f"stage{stage}" for stage in range(len(self.widths)))

    def setup(self) -> None:
        super().setup()
        if len(self.widths) != len(self.blocks):
            raise ValueError(
                "widths and blocks must name the same number of stages, "
                f"got {self.widths} and {self.blocks}"
            )
        self.trunk = SmallTrunk(
            self.widths, self.blocks, self.conv(use_bias=False), self.norm(), self.act
        )
