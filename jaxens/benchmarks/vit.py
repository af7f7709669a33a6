"""A vision transformer as a user writes it in Flax. It is only measured: jaxens has no such model.

ViT-S/16 without a class token: the head gets the mean of all patches (Beyer et al. 2022, "Better
plain ViT baselines for ImageNet-1k").
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.nn.initializers import normal
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from jaxens.attribution import METHODS
from jaxens.benchmarks.options import Dtype
from jaxens.benchmarks.subject import CLASSES, Model, noise
from jaxens.models.flops import Work
from jaxens.training.state import compute_dtype

PATCH = 16  # side of a patch, pixels


class Block(nn.Module):
    """A pre-norm transformer block: attention and an MLP, each with a residual connection."""

    heads: int
    hidden: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "image token width"]) -> Float[Array, "image token width"]:
        images, tokens, width = x.shape
        dense, norm = partial(nn.Dense, dtype=self.dtype), partial(nn.LayerNorm, dtype=self.dtype)
        qkv = dense(3 * width, name="qkv")(norm(name="norm1")(x))
        qkv = qkv.reshape(images, tokens, 3, self.heads, -1)
        # With `jax.nn.dot_product_attention`, whose products have the heads in the middle, the
        # gradient of 4 or 16 images took 1.02 to 1.13 times as long on two busy CPU cores.
        query, key, value = qkv.transpose(2, 0, 3, 1, 4)  # of image, head, token, number
        scores = query @ key.swapaxes(-1, -2) / (width // self.heads) ** 0.5
        attended = (nn.softmax(scores) @ value).swapaxes(1, 2)
        x = x + dense(width, name="out")(attended.reshape(x.shape))
        hidden = nn.gelu(dense(self.hidden, name="up")(norm(name="norm2")(x)))
        return x + dense(width, name="down")(hidden)


class ViT(nn.Module):
    """Takes normalized images, and returns logits. The defaults are those of ViT-S/16."""

    width: int = 384
    depth: int = 12
    heads: int = 6
    hidden: int = 1536
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: Float[Array, "image height width 3"]) -> Float[Array, "image class"]:
        patch = (PATCH, PATCH)
        embed = nn.Conv(self.width, patch, patch, "VALID", dtype=self.dtype, name="embed")
        x = embed(images).reshape(len(images), -1, self.width)
        x = x + self.param("position", normal(0.02), (1, *x.shape[1:])).astype(self.dtype)
        for k in range(self.depth):
            x = Block(self.heads, self.hidden, self.dtype, name=f"blocks_{k}")(x)
        x = nn.LayerNorm(dtype=self.dtype, name="norm")(x).mean(1, dtype=jnp.float32)
        return nn.Dense(CLASSES, name="head")(x)


@dataclass(frozen=True)
class ViTSubject:
    """One ViT and its images: what `Explained` says."""

    model: ViT
    images: Float[Array, "image height width 3"]
    labels: Int[Array, "image"]

    @classmethod
    def make(cls, image_size: int, images: int, dtype: Dtype) -> "ViTSubject":
        """Returns ViT-S/16, images of noise and random labels."""
        return cls(ViT(dtype=compute_dtype(dtype)), *noise(image_size, images))

    @property
    def dtype(self) -> str:
        """The type of the computation."""
        return jnp.dtype(self.model.dtype).name

    @property
    def work(self) -> Work:
        """The FLOP of one image: 2 per multiply-add of matrix products.

        For n patches of 3 p^2 numbers, width w, d blocks, m hidden units and c classes, these are
        n 3 p^2 w + d n (4 w^2 + 2 n w + 2 w m) + w c. The part 2 n w is attention between patches.
        """
        width, hidden = self.model.width, self.model.hidden
        patches = (self.images.shape[1] // PATCH) ** 2
        embedding = patches * 3 * PATCH**2 * width
        block = patches * (4 * width**2 + 2 * patches * width + 2 * width * hidden)
        return Work(2.0 * (embedding + self.model.depth * block + width * CLASSES), 2.0 * embedding)

    def describe(self) -> str:
        """Returns members, model, images and type in a line."""
        count, size = self.images.shape[:2]
        return f"1 vit-s, {count} images of {size} px, {self.dtype}"

    def networks(self) -> list[Any]:
        """Returns a list with random weights, because there is one network."""
        return [jax.jit(self.model.init)(jax.random.key(0), self.images[:1])]

    def functions(self, variables: Any) -> dict[str, Model]:
        """Returns the functions of a network; the keys are fields of `attribution.Network`."""
        return {"logits_fn": partial(self.model.apply, variables)}

    def twin(self, variables: Any) -> Any:
        """Returns the network in PyTorch, with the same weights."""
        from jaxens.benchmarks import torch_vit

        model, weights = self.model, torch_vit.state_dict(variables)
        tokens = weights["position"].shape[1]
        twin = torch_vit.ViT(
            PATCH, tokens, model.width, model.depth, model.heads, model.hidden, CLASSES
        )
        twin.load_state_dict(weights)
        return twin


def explains(method: str) -> bool:
    """Whether a method needs only logits: a ViT has no convolutional features and no ReLU."""
    return METHODS[method].needs == ("logits_fn",)
