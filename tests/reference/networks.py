"""A plain CNN, a residual network and a VGG, small, in PyTorch and in plain JAX.

Every ReLU is a module of its own in PyTorch, used once and not in place, as Captum's guided
backpropagation needs. For images of 10 x 14 pixels, the ResNet for others too.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import torch
from jax import Array
from torch import nn

from jaxens.targets import Model
from tests.attribution import cnn
from tests.attribution import vgg as jax_vgg
from tests.attribution.cnn import Act, Params
from tests.reference import twins
from tests.reference.randomize import randomize


class Pair(NamedTuple):
    """One network on both sides; in JAX as its two halves, for any activation."""

    net: nn.Module
    layer: nn.Module  # the features' in PyTorch
    features: Callable[[Array, Act], Array]
    head: Callable[[Array, Act], Array]

    def features_fn(self, act: Act = jax.nn.relu) -> Model:
        return lambda images: self.features(images, act)

    def head_fn(self, act: Act = jax.nn.relu) -> Model:
        return lambda features: self.head(features, act)

    def logits_fn(self, act: Act = jax.nn.relu) -> Model:
        return lambda images: self.head(self.features(images, act), act)


class TorchBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.around = nn.Identity()
        if inputs != width:
            self.around = nn.Conv2d(inputs, width, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.around(x))


class TorchResNet(nn.Module):
    """Batch normalization, overlapping max pooling, a block with and one without a projection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, padding=1, bias=False)
        self.bn, self.relu, self.pool = nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)
        self.block1, self.block2 = TorchBlock(6, 6, 1), TorchBlock(6, 8, 2)
        self.linear = nn.Linear(8, cnn.CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.bn(self.conv(x))))
        return self.linear(self.block2(self.block1(x)).mean((2, 3)))


class TorchVGG(nn.Module):
    """Two stages of convolutions, and a hidden layer with a ReLU behind the features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.conv3 = nn.Conv2d(6, 8, 3, padding=1)
        self.relu1, self.relu2, self.relu3, self.relu4 = (nn.ReLU() for _ in range(4))
        self.pool1, self.pool2 = nn.MaxPool2d(2), nn.MaxPool2d(2)
        self.hidden = nn.Linear(2 * 3 * 8, 12)
        self.linear = nn.Linear(12, cnn.CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.relu2(self.conv2(self.relu1(self.conv1(x)))))
        x = self.pool2(self.relu3(self.conv3(x)))
        return self.linear(self.relu4(self.hidden(x.permute(0, 2, 3, 1).flatten(1))))


def resnet_features(params: Params, images: Array, act: Act) -> Array:
    x = act(_norm(params, "bn", _conv(params, "conv", images)))
    x = cnn.max_pool(x, 3, pad=1)
    for block, stride in (("block1", 1), ("block2", 2)):
        y = act(_norm(params, f"{block}.bn1", _conv(params, f"{block}.conv1", x, stride)))
        y = _norm(params, f"{block}.bn2", _conv(params, f"{block}.conv2", y))
        if stride > 1:
            x = _conv(params, f"{block}.around", x, stride)
        x = act(y + x)
    return x


def resnet_head(params: Params, features: Array, act: Act) -> Array:
    pooled = features.mean(axis=(1, 2))
    return pooled @ params["linear.weight"] + params["linear.bias"][None]


def _conv(params: Params, name: str, x: Array, stride: int = 1) -> Array:
    return cnn.convolve(x, params[f"{name}.weight"], stride)


def _norm(params: Params, name: str, x: Array) -> Array:
    mean, variance, scale, bias = (
        cnn.per_channel(params[f"{name}.{part}"])
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) * (scale / jnp.sqrt(variance + 1e-5)) + bias


def _params(net: nn.Module) -> Params:
    """PyTorch's tensors by name; OIHW becomes HWIO, and [out, in] becomes [in, out]."""
    axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,), 0: ()}
    state = randomize(net)
    return {name: jnp.asarray(value.transpose(axes[value.ndim])) for name, value in state.items()}


def plain(channels: int) -> Pair:
    net = twins.TorchNet(channels).eval()
    randomize(net)
    params = twins.params_of(net)
    return Pair(net, net.relu2, partial(cnn.features, params), lambda x, act: cnn.head(params, x))


def resnet(channels: int) -> Pair:
    net = TorchResNet(channels).eval()
    params = _params(net)
    return Pair(
        net, net.block2.relu2, partial(resnet_features, params), partial(resnet_head, params)
    )


def vgg(channels: int) -> Pair:
    net = TorchVGG(channels).eval()
    params = _params(net)
    return Pair(net, net.relu3, partial(jax_vgg.features, params), partial(jax_vgg.head, params))


NETWORKS = {"plain CNN": plain, "ResNet": resnet, "VGG": vgg}


@cache
def network(name: str, channels: int = 3) -> Pair:
    """The halves are jitted: methods that call them alike share what XLA compiles."""
    pair = NETWORKS[name](channels)
    return pair._replace(
        features=jax.jit(pair.features, static_argnums=1),
        head=jax.jit(pair.head, static_argnums=1),
    )
