"""The vision transformer of `jaxens.benchmarks.vit` in PyTorch, its parts with the same names."""

from typing import Any

import torch
from flax.traverse_util import flatten_dict
from torch import nn
from torch.nn import functional

from jaxens.benchmarks.torch_weights import tensor
from jaxens.models.torch_names import LEAVES

_EPSILON = 1e-6  # of Flax's layer normalization


class Block(nn.Module):
    """A pre-norm transformer block: attention and an MLP, each with a residual connection."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, _EPSILON), nn.LayerNorm(width, _EPSILON)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        images, tokens, _ = x.shape
        qkv = self.qkv(self.norm1(x)).view(images, tokens, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # of image, head, token, number
        attended = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(attended.transpose(1, 2).reshape(x.shape))
        hidden = functional.gelu(self.up(self.norm2(x)), approximate="tanh")
        return x + self.down(hidden)


class ViT(nn.Module):
    """Takes normalized images [image, channel, height, width], and returns logits."""

    def __init__(
        self,
        patch: int,
        tokens: int,
        width: int,
        depth: int,
        heads: int,
        hidden: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.position = nn.Parameter(torch.zeros(1, tokens, width))
        self.blocks = nn.Sequential(*(Block(width, heads, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, _EPSILON)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.blocks(x)).mean(1))


def state_dict(variables: Any) -> dict[str, torch.Tensor]:
    """Returns tensors for `load_state_dict`."""
    return {
        ".".join((*modules, LEAVES.get(leaf, leaf))).replace("_", "."): tensor(value)
        for (_, *modules, leaf), value in flatten_dict(variables).items()
    }
