"""The network of `tests.attribution.cnn` in PyTorch, and its weights for both."""

import jax.numpy as jnp
import numpy as np
import torch
from jax import Array
from torch import nn

from tests.attribution.cnn import CLASSES, Params


class TorchNet(nn.Module):
    """Padding, max pooling, a stride, and a head that sees places, for 10 x 14 images."""

    def __init__(self, channels: int = 3, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv1 = nn.Conv2d(channels, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.linear = nn.Linear(8 * 3 * 4, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.pool(self.relu1(self.conv1(images)))
        features = self.relu2(self.conv2(hidden))
        return self.linear(features.permute(0, 2, 3, 1).flatten(1))


def params_of(net: TorchNet) -> Params:
    """The weights in the layout of `tests.attribution.cnn`."""

    def kernel(conv: nn.Conv2d) -> Array:
        return jnp.asarray(conv.weight.detach().permute(2, 3, 1, 0).numpy())

    return {
        "kernel1": kernel(net.conv1),
        "bias1": jnp.asarray(net.conv1.bias.detach().numpy()),
        "kernel2": kernel(net.conv2),
        "bias2": jnp.asarray(net.conv2.bias.detach().numpy()),
        "kernel3": jnp.asarray(net.linear.weight.detach().T.numpy()),
        "bias3": jnp.asarray(net.linear.bias.detach().numpy()),
    }


def to_torch(images: np.ndarray | Array) -> torch.Tensor:
    """[..., height, width, channel] to [..., channel, height, width]."""
    return torch.from_numpy(np.moveaxis(np.array(images), -1, -3).copy())


def from_torch(images: torch.Tensor) -> np.ndarray:
    return np.moveaxis(images.detach().numpy(), -3, -1)
