"""Small models of several libraries, as functions of parameters and images."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx
from jax import Array, lax

from jaxens.attribution import guided_relu

LAST = ("NHWC", "HWIO", "NHWC")


class Case(NamedTuple):
    """A model, and what `accelerate` does with it."""

    fn: Callable[[Any, Array], Any]
    params: Any
    images: Array
    replaced: int  # how many convolutions and poolings, each of a scan or a shared jaxpr once


def numbers(shape: tuple[int, ...]) -> Array:
    """Returns images, or parameters: a kernel, or positive ones such as a variance."""
    rng = np.random.default_rng(0)
    if len(shape) < 2:
        return jnp.asarray(rng.uniform(0.5, 1.5, shape), jnp.float32)
    return jnp.asarray(rng.normal(size=shape) / math.prod(shape[:-1]) ** 0.5, jnp.float32)


class ResNetLike(nn.Module):
    act: Callable = nn.relu

    @nn.compact
    def __call__(self, x):
        norm = partial(nn.BatchNorm, use_running_average=True)
        x = self.act(norm()(nn.Conv(4, (7, 7), 2, padding=3, use_bias=False)(x)))
        x = nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
        y = self.act(norm()(nn.Conv(6, (3, 3), 2, padding=1)(x)))
        y = norm()(nn.Conv(6, (3, 3), padding=1)(y))
        x = self.act(y + nn.Conv(6, (1, 1), 2)(x))
        return nn.Dense(3)(x.mean((1, 2)))


class VGGLike(nn.Module):
    @nn.compact
    def __call__(self, x):
        for width in (4, 6):
            x = nn.relu(nn.Conv(width, (3, 3))(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.max_pool(x, (3, 3), (2, 2), "SAME")
        return nn.Dense(3)(x.reshape(x.shape[0], -1))


class MobileNetLike(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu6(nn.Conv(6, (3, 3), 2)(x))
        x = nn.relu6(nn.Conv(6, (3, 3), feature_group_count=6)(x))
        x = nn.swish(nn.Conv(8, (1, 1))(x))
        x = nn.Conv(8, (5, 5), 2, feature_group_count=8)(x)
        return nn.Dense(3)(x.mean((1, 2)))


class Grouped(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(nn.Conv(4, (3, 3))(x))
        x = nn.Conv(8, (3, 3), feature_group_count=2)(x)
        return nn.Conv(16, (3, 3), feature_group_count=8)(x).mean((1, 2))  # two kernels a channel


class Dilated(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(nn.Conv(4, (3, 3), kernel_dilation=2)(x))
        return nn.Conv(4, (3, 3), kernel_dilation=(2, 1), padding="VALID")(x).mean((1, 2))


class UpSampling(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(nn.Conv(4, (3, 3), 2)(x))
        return nn.ConvTranspose(3, (4, 4), (2, 2))(x)


class ViTLike(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(8, (4, 4), 4, padding="VALID")(x)
        x = x.reshape(x.shape[0], -1, 8)
        x = x + nn.MultiHeadDotProductAttention(2)(nn.LayerNorm()(x))
        x = x + nn.Dense(8)(nn.gelu(nn.Dense(16)(nn.LayerNorm()(x))))
        return nn.Dense(3)(x.mean(1))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, _=None):
        return x + jnp.tanh(nn.Conv(x.shape[-1], (3, 3))(x)), None


class Scanned(nn.Module):
    @nn.compact
    def __call__(self, x):
        layers = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
        return layers()(x, None)[0].mean((1, 2))


class Rematerialized(nn.Module):
    @nn.compact
    def __call__(self, x):
        x, _ = nn.remat(Block)()(x)
        x, _ = nn.remat(Block, policy=jax.checkpoint_policies.dots_saveable)()(x)
        return x.mean((1, 2))


class Training(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.BatchNorm(use_running_average=False)(nn.Conv(4, (3, 3), use_bias=False)(x))
        return jnp.tanh(x).mean((1, 2))


def linen(model: nn.Module, replaced: int, *, mutable: Any = False) -> Case:
    images = numbers((2, 16, 16, 3))
    shapes = jax.eval_shape(model.init, jax.random.key(0), images)
    params = jax.tree.map(lambda leaf: numbers(leaf.shape), shapes)
    return Case(partial(model.apply, mutable=mutable), params, images, replaced)


class NNXModel(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), strides=2, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dense = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.conv(x)))
        return self.dense(nnx.max_pool(x, (2, 2), (1, 1), "SAME").mean((1, 2)))


def nnx_model() -> Case:
    model = NNXModel(nnx.Rngs(0))
    model.eval()
    structure, params = nnx.split(model)
    images = numbers((2, 16, 16, 3))
    return Case(lambda params, x: nnx.merge(structure, params)(x), params, images, 2)


def equinox() -> Case:
    """A model of one image with channels first."""
    first, second, third = jax.random.split(jax.random.key(0), 3)
    layers = [
        eqx.nn.Conv2d(3, 4, 3, stride=2, padding=1, key=first),
        eqx.nn.Lambda(jax.nn.relu),
        eqx.nn.Conv2d(4, 4, 3, padding=(1, 0), groups=4, key=second),
        eqx.nn.MaxPool2d(3, 2, padding=1),
        eqx.nn.Lambda(jnp.ravel),
        eqx.nn.Linear(4 * 4 * 3, 3, key=third),
    ]
    params, rest = eqx.partition(eqx.nn.Sequential(layers), eqx.is_array)
    images = numbers((2, 3, 16, 16))
    return Case(lambda params, x: jax.vmap(eqx.combine(params, rest))(x), params, images, 3)


def plain(fn: Callable[[Any, Array], Any], replaced: int) -> Case:
    params = {"a": numbers((3, 3, 4, 4)), "b": numbers((3, 3, 4, 4))}
    return Case(fn, params, numbers((2, 8, 8, 4)), replaced)


def conv(x: Array, kernel: Array) -> Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=LAST)


def layouts(params: Any, x: Array) -> Array:
    """Channels first, then each operand and the result in another order."""
    x = x.transpose(0, 3, 1, 2)
    kernel = params["a"].transpose(3, 2, 0, 1)
    x = jnp.tanh(lax.conv_general_dilated(x, kernel, (2, 1), [(1, 2), (0, 1)]))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 2), (1, 1, 2, 1), "SAME")
    spec = ("NCHW", "WIOH", "NWCH")
    kernel = params["b"].transpose(1, 2, 3, 0)
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=spec)


def control_flow(params: Any, x: Array) -> Array:
    def branch(x):
        return lax.fori_loop(0, 2, lambda _, x: jnp.tanh(conv(x, params["a"])), x)

    def while_body(carry):
        step, x = carry
        return step + 1, jnp.tanh(conv(x, lax.stop_gradient(params["b"])))

    x = lax.cond(x.sum() > 100, lambda x: x, branch, x)
    # It has no reverse mode, so that it sees constants only.
    _, scale = lax.while_loop(lambda c: c[0] < 2, while_body, (0, lax.stop_gradient(x)))
    return x * scale


def custom_jvp(params: Any, x: Array) -> Array:
    @jax.custom_jvp
    def layer(x, kernel):
        return jnp.tanh(conv(x, kernel))

    @layer.defjvp
    def rule(primals, tangents):
        (x, kernel), (dx, _) = primals, tangents
        return layer(x, kernel), 3 * conv(dx, kernel)  # not the gradient of `layer`

    return layer(conv(jax.nn.relu(x), params["a"]), params["b"])


def custom_vjp(params: Any, x: Array) -> Array:
    @jax.custom_vjp
    def layer(x, kernel):
        return jnp.tanh(conv(x, kernel))

    def backward(residuals, cotangent):
        x, kernel = residuals
        return 2 * cotangent * x, kernel  # not the gradient of `layer`

    layer.defvjp(lambda x, kernel: (layer(x, kernel), (x, kernel)), backward)
    return layer(conv(x, params["a"]), params["b"])


MODELS: dict[str, Callable[[], Case]] = {
    "Linen, ResNet": lambda: linen(ResNetLike(), 5),
    "Linen, guided ReLU": lambda: linen(ResNetLike(guided_relu), 5),
    "Linen, VGG": lambda: linen(VGGLike(), 5),
    "Linen, depthwise": lambda: linen(MobileNetLike(), 4),
    "Linen, grouped": lambda: linen(Grouped(), 1),
    "Linen, dilated": lambda: linen(Dilated(), 2),
    "Linen, transposed": lambda: linen(UpSampling(), 1),
    "Linen, ViT": lambda: linen(ViTLike(), 1),
    "Linen, scan": lambda: linen(Scanned(), 1),
    "Linen, remat": lambda: linen(Rematerialized(), 2),
    "Linen, training": lambda: linen(Training(), 1, mutable=["batch_stats"]),
    "NNX": nnx_model,
    "Equinox": equinox,
    "layouts": lambda: plain(layouts, 3),
    "control flow": lambda: plain(control_flow, 2),
    "custom_jvp": lambda: plain(custom_jvp, 2),
    "custom_vjp": lambda: plain(custom_vjp, 2),
}
