"""The names of PyTorch's tensors: torchvision's, timm's, and those of EfficientNet-Lite0."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxens.models.vgg import STAGES

LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
# timm's classifier of VGG16 has convolutions in place of the two hidden layers.
TIMM_VGG = {
    "pre_logits.fc1": "classifier.0",
    "pre_logits.fc2": "classifier.3",
    "head.fc": "classifier.6",
}


class Names(NamedTuple):
    """The names of an architecture's tensors.

    Attributes:
        module: Returns the name of a module, from its path in jaxens without the trunk.
        classifier: The beginning of the names above the trunk.
        last: The name of the last layer, if jaxens has that too.
    """

    module: Callable[[tuple[str, ...]], str]
    classifier: str
    last: str | None

    def tensor(self, path: tuple[str, ...]) -> str:
        """Returns the tensor for a path such as (params, trunk, layer1_0, conv1, kernel)."""
        _, _, *modules, leaf = path
        return f"{self.module(tuple(modules))}.{LEAVES[leaf]}"


def _resnet(modules: tuple[str, ...]) -> str:
    return ".".join(modules).replace("_", ".")


def _efficientnet(modules: tuple[str, ...]) -> str:
    return ".".join(f"_{part}".replace("blocks_", "blocks.") for part in modules)


def _vgg(modules: tuple[str, ...], layers: int) -> str:
    """`layers` counts a convolution, its activation and, if there is one, its normalization."""
    if modules[0] in ("fc6", "fc7"):
        return {"fc6": "classifier.0", "fc7": "classifier.3"}[modules[0]]
    kind, stage, i = modules[0].rstrip("_0123456789"), *map(int, re.findall(r"\d+", modules[0]))
    # torchvision counts the pool that ends a stage too.
    before = sum(layers * convolutions + 1 for _, convolutions in STAGES[: stage - 1])
    return f"features.{before + layers * (i - 1) + (kind == 'bn')}"


_RESNET = Names(_resnet, "fc.", "fc")
_VGG, _VGG_BN = partial(_vgg, layers=2), partial(_vgg, layers=3)

NAMES = {
    "resnet18": _RESNET,
    "resnet34": _RESNET,
    "resnet50": _RESNET,
    "vgg16": Names(_VGG, "classifier.", None),
    "vgg16-full": Names(_VGG, "classifier.", "classifier.6"),
    "vgg16-bn": Names(_VGG_BN, "classifier.", None),
    "vgg16-bn-full": Names(_VGG_BN, "classifier.", "classifier.6"),
    "efficientnet-lite0": Names(_efficientnet, "_fc.", "_fc"),
}


def as_torchvision(name: str, state_dict: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Returns a VGG's tensors as jaxens reads them; those of other models are returned as they are.

    timm's names become torchvision's. In a VGG with batch normalization, the biases of the
    convolutions go into the running means, since jaxens has none there: the function is the same.

    Args:
        name: A key of `NAMES`.
        state_dict: Arrays by name.
    """
    if not name.startswith("vgg16"):
        return state_dict
    tensors = {}
    for tensor, value in state_dict.items():
        module, _, leaf = tensor.rpartition(".")
        if module in TIMM_VGG:
            tensor = f"{TIMM_VGG[module]}.{leaf}"  # noqa: PLW2901
            value = value.reshape(len(value), -1) if np.ndim(value) == 4 else value  # noqa: PLW2901
        tensors[tensor] = value
    for tensor in [tensor for tensor in tensors if tensor.endswith(".running_mean")]:
        number = tensor.split(".")[1]
        bias = f"features.{int(number) - 1}.bias" if number.isdecimal() else ""
        if bias in tensors and np.shape(tensors[bias]) == np.shape(tensors[tensor]):
            tensors[tensor] = tensors[tensor] - tensors.pop(bias)
    return tensors
