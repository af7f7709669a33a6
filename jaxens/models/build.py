"""The models, by name."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxens.errors import remedy
from jaxens.models.classifier import Classifier
from jaxens.models.efficientnet import EfficientNetLite0
from jaxens.models.resnet import ResNet
from jaxens.models.small import SmallResNet
from jaxens.models.vgg import SMALL_STAGES, VGG

MODELS: dict[str, Callable[..., Classifier]] = {
    "small": SmallResNet,
    "small-vgg": partial(VGG, stages=SMALL_STAGES, batch_norm=True),
    "resnet18": ResNet,
    "resnet34": partial(ResNet, blocks=(3, 4, 6, 3)),
    "resnet50": partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=True),
    "vgg16": VGG,
    "vgg16-full": partial(VGG, full_classifier=True),
    "vgg16-bn": partial(VGG, batch_norm=True),
    "vgg16-bn-full": partial(VGG, batch_norm=True, full_classifier=True),
    "efficientnet-lite0": EfficientNetLite0,
}


def build(
    name: str,
    tasks: Sequence[tuple[str, int]],
    dtype: DTypeLike = jnp.float32,
    conv_general_dilated: Callable[..., Array] = jax.lax.conv_general_dilated,
) -> Classifier:
    """Returns a model with a head for each task.

    Args:
        name: A key of `MODELS`.
        tasks: The name and the number of logits of each task.
        dtype: The type of the computation. Parameters, batch statistics and logits are float32.
        conv_general_dilated: Computes every convolution; has the signature of
            `jax.lax.conv_general_dilated`.

    Raises:
        ValueError: For an unknown name.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: {remedy(name, MODELS)}")
    return MODELS[name](
        tasks=tuple((task, logits) for task, logits in tasks),
        dtype=dtype,
        conv_general_dilated=conv_general_dilated,
    )
