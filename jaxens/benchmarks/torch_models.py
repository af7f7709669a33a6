"""The models in PyTorch, for tests and for comparisons of speed.

ResNets and VGG16 follow torchvision's `models/resnet.py` and `models/vgg.py` (BSD-3-Clause) and
have the same parameter names; torchvision need not be installed. They take
[image, channel, height, width] and return logits.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from jaxens.benchmarks.torch_efficientnet import EfficientNetLite0
from jaxens.models.vgg import SMALL_STAGES, STAGES


class BasicBlock(nn.Module):
    """The residual block of ResNet-18 and ResNet-34."""

    def __init__(self, inplanes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or inplanes != planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + identity)


class Bottleneck(nn.Module):
    """The residual block of ResNet-50."""

    def __init__(self, inplanes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inplanes != 4 * planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(inplanes, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + identity)


class ResNet(nn.Module):
    """ResNet-18, or a ResNet with other blocks."""

    def __init__(
        self,
        num_classes: int = 1000,
        width: int = 64,
        blocks: Sequence[int] = (2, 2, 2, 2),
        bottleneck: bool = False,
    ) -> None:
        super().__init__()
        block, grows = (Bottleneck, 4) if bottleneck else (BasicBlock, 1)

        def layer(stage: int) -> nn.Sequential:
            planes = width * 2**stage
            inplanes = grows * planes // 2 if stage else width
            stride = 2 if stage else 1
            rest = [block(grows * planes, planes, 1) for _ in range(blocks[stage] - 1)]
            return nn.Sequential(block(inplanes, planes, stride), *rest)

        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = map(layer, range(4))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * grows * width, num_classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.flatten(self.avgpool(self.features(x)), 1))


def _vgg_layers(
    stages: Sequence[tuple[int, int]], batch_norm: bool, bias: bool = True
) -> list[nn.Module]:
    """Convolutions with a max pool between stages, as in `jaxens.models.vgg.VGGTrunk`."""
    layers: list[nn.Module] = []
    inputs = 3
    for channels, convolutions in stages:
        if layers:
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        for _ in range(convolutions):
            layers.append(nn.Conv2d(inputs, channels, 3, padding=1, bias=bias))
            layers += [nn.BatchNorm2d(channels)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            inputs = channels
    return layers


class VGG16(nn.Module):
    """torchvision's VGG-16."""

    def __init__(
        self, num_classes: int = 1000, hidden: int = 4096, batch_norm: bool = False
    ) -> None:
        super().__init__()
        last_pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.features = nn.Sequential(*_vgg_layers(STAGES, batch_norm), last_pool)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, hidden),
            nn.ReLU(True),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(True),
            nn.Dropout(0.5),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class LightVGG(nn.Module):
    """A VGG whose head is a global average pool and one dense layer."""

    def __init__(
        self, num_classes: int, stages: Sequence[tuple[int, int]], batch_norm: bool
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(*_vgg_layers(stages, batch_norm, bias=not batch_norm))
        self.fc = nn.Linear(stages[-1][0], num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.features(x).mean((2, 3)))


class SmallResNet(nn.Module):
    """`jaxens.models.SmallResNet` with its default settings."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.down0 = nn.Conv2d(3, 16, 4, stride=2, padding=1, bias=False)
        self.down1 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.down2 = nn.Conv2d(32, 64, 3, stride=2, padding=1, bias=False)
        self.bn0, self.bn1, self.bn2 = (nn.BatchNorm2d(width) for width in (16, 32, 64))
        self.relu = nn.ReLU(inplace=True)
        self.stage2_0 = BasicBlock(64, 64, 1)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn0(self.down0(x)))
        x = self.relu(self.bn1(self.down1(x)))
        x = self.relu(self.bn2(self.down2(x)))
        return self.fc(self.stage2_0(x).mean((2, 3)))


def last_layer(model: nn.Module) -> nn.Module:
    """Returns the layer whose output Grad-CAM explains."""
    named = {ResNet: "layer4", SmallResNet: "stage2_0", EfficientNetLite0: "_last"}.get(
        type(model), "features"
    )
    return model.get_submodule(named)


TWINS: dict[str, Callable[[int], nn.Module]] = {
    "small": SmallResNet,
    "small-vgg": partial(LightVGG, stages=SMALL_STAGES, batch_norm=True),
    "resnet18": ResNet,
    "resnet50": partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=True),
    "vgg16": partial(LightVGG, stages=STAGES, batch_norm=False),
    "efficientnet-lite0": EfficientNetLite0,
}
