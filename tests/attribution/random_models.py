"""Random small models of the layers that people use, as a Hypothesis strategy.

A model treats each image on its own. It is a list of layers, from [image, 6, 6, 4] to the same
shape, between a stem and a head. Weights are float64.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from jax import Array, lax

SIDE, COLORS, WIDTH, CLASSES = 6, 3, 4, 3
SHAPE = (SIDE, SIDE, WIDTH)
LAYOUT = ("NHWC", "HWIO", "NHWC")

Layer = Callable[[Array], Array]
MakeLayer = Callable[[np.random.Generator], Layer]


class Model(NamedTuple):
    """The names of the parts of a model, and the seed of its weights."""

    layers: tuple[str, ...]
    head: str
    seed: int

    def __call__(self, images: Array) -> Array:
        """Returns logits [image, class]."""
        rng = np.random.default_rng(self.seed)
        x = _conv(rng, COLORS)(images)
        for name in self.layers:
            x = LAYERS[name](rng)(x)
        return HEADS[self.head](rng)(x)


def models() -> st.SearchStrategy[Model]:
    """Models of up to four layers."""
    layers = st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=4).map(tuple)
    return st.builds(Model, layers, st.sampled_from(sorted(HEADS)), st.integers(0, 2**32 - 1))


def _conv(rng: np.random.Generator, colors: int = WIDTH, groups: int = 1, **how: object) -> Layer:
    kernel = rng.normal(size=(3, 3, colors // groups, WIDTH)) / 3

    def conv(x: Array, strides: tuple[int, int] = (1, 1)) -> Array:
        return lax.conv_general_dilated(
            x, kernel, strides, "SAME", dimension_numbers=LAYOUT, feature_group_count=groups, **how
        )

    return conv


def _strided(rng: np.random.Generator) -> Layer:
    conv = _conv(rng)
    return lambda x: jnp.repeat(jnp.repeat(conv(x, (2, 2)), 2, axis=1), 2, axis=2)


def _dense(rng: np.random.Generator) -> Layer:
    kernel, bias = rng.normal(size=(WIDTH, WIDTH)) / 2, rng.normal(size=(1, 1, 1, WIDTH))
    return lambda x: x @ kernel + bias


def _of_activation(function: Layer) -> MakeLayer:
    return lambda rng: function


def _batch_norm(rng: np.random.Generator) -> Layer:
    mean, scale = rng.normal(size=(2, 1, 1, 1, WIDTH))
    return lambda x: (x - mean) * scale


def _norm_over(axes: tuple[int, ...]) -> MakeLayer:
    def norm(x: Array) -> Array:
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        return (x - mean) * lax.rsqrt(var + 1e-3)

    return _of_activation(norm)


def _window(
    x: Array, start: float, reduce: Callable, padding: str, side: int = 3, stride: int = 1
) -> Array:
    # Not `x.max(axes)`: if XLA computes x twice and rounds it in two ways, no value is the maximum,
    # and the gradient is 0 / 0, in a plain loop too.
    window, strides = (1, side, side, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, np.float64(start), reduce, window, strides, padding)


def _pool_of_padded(x: Array) -> Array:
    """A maximum over windows of what was padded with -inf."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf)
    return _window(padded, -np.inf, lax.max, "VALID")


def _pool_to_half(x: Array) -> Array:
    halves = _window(x, -np.inf, lax.max, "VALID", side=2, stride=2)
    return jax.image.resize(halves, x.shape, "nearest")


def _attention(rng: np.random.Generator) -> Layer:
    """Self-attention of pixels with two heads, in which some pixels are hidden from others."""
    queries, keys, values = rng.normal(size=(3, WIDTH, 2, WIDTH))
    hidden = np.where(rng.random((1, 1, SIDE**2, SIDE**2)) < 0.3, -np.inf, 0.0)
    hidden[..., np.arange(SIDE**2), np.arange(SIDE**2)] = 0

    def attention(x: Array) -> Array:
        tokens = x.reshape(len(x), -1, WIDTH)
        q, k, v = (jnp.einsum("ntc,chd->nhtd", tokens, each) for each in (queries, keys, values))
        shares = jax.nn.softmax(jnp.einsum("nhtd,nhsd->nhts", q, k) / 4 + hidden)
        return jnp.einsum("nhts,nhsd->ntd", shares, v).reshape(x.shape) / 2

    return attention


def _attention_of_visible(rng: np.random.Generator) -> Layer:
    """As above, but the scores of hidden pixels are replaced by -inf."""
    visible = rng.random((1, SIDE**2, SIDE**2)) < 0.6
    visible[:, np.arange(SIDE**2), np.arange(SIDE**2)] = True

    def attention(x: Array) -> Array:
        tokens = x.reshape(len(x), -1, WIDTH)
        scores = tokens @ tokens.swapaxes(1, 2) / 4
        return (jax.nn.softmax(jnp.where(visible, scores, -jnp.inf)) @ tokens).reshape(x.shape)

    return attention


def _scanned_blocks(rng: np.random.Generator) -> Layer:
    kernels = rng.normal(size=(3, WIDTH, WIDTH)) / 2

    def block(x: Array, kernel: Array) -> tuple[Array, None]:
        return x + jnp.tanh(x @ kernel), None

    return lambda x: lax.scan(block, x, kernels)[0]


def _scanned_rows(rng: np.random.Generator) -> Layer:
    kernel = rng.normal(size=(WIDTH, WIDTH)) / 2

    def step(state: Array, row: Array) -> tuple[Array, Array]:
        state = jnp.tanh(state @ kernel + row)
        return state, state

    def recurrent(x: Array) -> Array:
        rows = lax.scan(step, jnp.zeros_like(x[:, 0]), x.swapaxes(0, 1))[1]
        return rows.swapaxes(0, 1)

    return recurrent


def _looped(rng: np.random.Generator) -> Layer:
    dense = _dense(rng)
    return lambda x: lax.fori_loop(0, 2, lambda _, x: jnp.tanh(dense(x)), x)


def _per_image(transform: Callable[[Layer], Layer]) -> MakeLayer:
    def make(rng: np.random.Generator) -> Layer:
        conv = _conv(rng)
        return transform(lambda image: jnp.tanh(conv(image[None])[0]))

    return make


def _wrapped(transform: Callable[[Layer], Layer]) -> MakeLayer:
    return lambda rng: transform(_conv(rng))


def _images_last(rng: np.random.Generator) -> Layer:
    kernel = rng.normal(size=(WIDTH, WIDTH)) / 2
    return lambda x: jnp.moveaxis(jnp.tanh(kernel @ jnp.moveaxis(x, 0, -1)), -1, 0)


def _images_in_reverse(rng: np.random.Generator) -> Layer:
    conv = _conv(rng)
    return lambda x: conv(x[::-1])[::-1]


def _rows_first(x: Array) -> Array:
    return x.swapaxes(0, 1).reshape(x.shape)


def _images_first(x: Array) -> Array:
    return x.reshape(x.shape[1], x.shape[0], *x.shape[2:]).swapaxes(0, 1)


def _rule_of_its_own(function: Layer, backward: Layer) -> Layer:
    """The function with a gradient that is written by hand."""
    ruled = jax.custom_vjp(function)
    ruled.defvjp(lambda x: (function(x), None), lambda _, gradient: (backward(gradient),))
    return ruled


def _laid_out_by_rules(x: Array) -> Array:
    there = _rule_of_its_own(_rows_first, _images_first)
    back = _rule_of_its_own(_images_first, _rows_first)
    return back(jnp.tanh(there(x)))


@jax.custom_jvp
def _forward_rule(x: Array) -> Array:
    return jnp.where(x > 0, x, jnp.expm1(x))


_forward_rule.defjvps(lambda dx, y, x: dx * jnp.where(x > 0, 1.0, y + 1))


@jax.custom_vjp
def _straight_through(x: Array) -> Array:
    """Rounds, with the gradient of the identity."""
    return jnp.round(4 * x) / 4


_straight_through.defvjp(lambda x: (jnp.round(4 * x) / 4, None), lambda _, gradient: (gradient,))


def _branched_on_the_batch(rng: np.random.Generator) -> Layer:
    """One function, written in another way for large batches."""
    first, second = _conv(rng), _conv(rng)

    def layer(x: Array) -> Array:
        if len(x) > 2:
            return jnp.tanh(first(x)) + jax.nn.relu(second(2 * x))
        return 2 * jax.nn.relu(second(x)) + jnp.tanh(first(x))

    return layer


def _branched_on_values(x: Array) -> Array:
    return jax.vmap(lambda image: lax.cond(image[0, 0, 0] > 0, jnp.tanh, jnp.sin, image))(x)


def _hide_pixels(rng: np.random.Generator) -> Layer:
    visible = rng.random((1, SIDE, SIDE, 1)) < 0.7
    return lambda x: jnp.where(visible, x, 0.0)


def _squeeze_and_excite(rng: np.random.Generator) -> Layer:
    kernel = rng.normal(size=(WIDTH, WIDTH))
    return lambda x: x * jax.nn.sigmoid(x.mean(axis=(1, 2)) @ kernel)[:, None, None]


def _with_nothing(x: Array) -> Array:
    """Concatenates with values of size zero."""
    return jnp.concatenate([x[..., :0], x, x[..., WIDTH:]], axis=-1)


def _window_attention(x: Array) -> Array:
    """Attention inside of windows of 3 x 3 pixels, after a cyclic shift."""
    shifted = jnp.roll(x, 1, axis=(1, 2))
    windows = shifted.reshape(len(x), 2, 3, 2, 3, WIDTH).swapaxes(2, 3).reshape(-1, 9, WIDTH)
    windows = jax.nn.softmax(windows @ windows.swapaxes(1, 2) / 4) @ windows
    rows = windows.reshape(len(x), 2, 2, 3, 3, WIDTH).swapaxes(2, 3)
    return jnp.roll(rows.reshape(x.shape), -1, axis=(1, 2))


def _gathered(rng: np.random.Generator) -> Layer:
    order = rng.permutation(SIDE)
    return lambda x: x[:, order].at[:, 0].multiply(0.5)


LAYERS: dict[str, MakeLayer] = {
    "attention": _attention,
    "attention of visible pixels": _attention_of_visible,
    "attention in windows": _of_activation(_window_attention),
    "average pool": _of_activation(lambda x: _window(x, 0.0, lax.add, "SAME") / 9),
    "batch norm": _batch_norm,
    "branch on the batch": _branched_on_the_batch,
    "branch on values": _of_activation(_branched_on_values),
    "checkpoint": _wrapped(jax.checkpoint),
    "conv": _conv,
    "conv, depthwise": lambda rng: _conv(rng, groups=WIDTH),
    "conv, dilated": lambda rng: _conv(rng, rhs_dilation=(2, 2)),
    "conv, strided": _strided,
    "cumulative sum": _of_activation(lambda x: jnp.cumsum(x, axis=1) / SIDE),
    "custom_jvp": _of_activation(_forward_rule),
    "custom_vjp": _of_activation(_straight_through),
    "custom_vjp that lays out": _of_activation(_laid_out_by_rules),
    "dense": _dense,
    "gather": _gathered,
    "gelu": _of_activation(jax.nn.gelu),
    "group norm": _norm_over((1, 2)),
    "hidden pixels": _hide_pixels,
    "images in reverse": _images_in_reverse,
    "images last": _images_last,
    "jit": _wrapped(jax.jit),
    "layer norm": _norm_over((3,)),
    "leaky relu": _of_activation(jax.nn.leaky_relu),
    "loop": _looped,
    "map": _per_image(lambda of_image: lambda x: lax.map(of_image, x)),
    "max pool": _of_activation(lambda x: _window(x, -np.inf, lax.max, "SAME")),
    "max pool of padded": _of_activation(_pool_of_padded),
    "max pool to half": _of_activation(_pool_to_half),
    "nothing": _of_activation(_with_nothing),
    "pad": _of_activation(lambda x: jnp.pad(x[:, 1:-1], ((0, 0), (1, 1), (0, 0), (0, 0)))),
    "pad, reflecting": _of_activation(
        lambda x: jnp.pad(x[:, 1:-1], ((0, 0), (1, 1), (0, 0), (0, 0)), mode="reflect")
    ),
    "relu": _of_activation(jax.nn.relu),
    "relu6": _of_activation(jax.nn.relu6),
    "residual": _wrapped(lambda conv: lambda x: x + jax.nn.relu(conv(x))),
    "scanned blocks": _scanned_blocks,
    "scanned rows": _scanned_rows,
    "silu": _of_activation(jax.nn.silu),
    "softplus": _of_activation(jax.nn.softplus),
    "sorted": _of_activation(lambda x: jnp.sort(x, axis=-1)),
    "squeeze and excite": _squeeze_and_excite,
    "tanh": _of_activation(jnp.tanh),
    "vmap": _per_image(jax.vmap),
}


def _mean_head(rng: np.random.Generator) -> Layer:
    kernel = rng.normal(size=(WIDTH, CLASSES))
    return lambda x: x.mean(axis=(1, 2)) @ kernel


def _flat_head(rng: np.random.Generator) -> Layer:
    kernel = rng.normal(size=(int(np.prod(SHAPE)), CLASSES)) / 4
    return lambda x: jnp.tanh(x.reshape(len(x), -1)) @ kernel


def _attention_head(rng: np.random.Generator) -> Layer:
    """Pools by attention, in which a third of the pixels is hidden."""
    kernel = rng.normal(size=(WIDTH, CLASSES))
    hidden = np.where(np.arange(SIDE**2) % 3 == 0, -np.inf, 0.0)[None]

    def head(x: Array) -> Array:
        tokens = x.reshape(len(x), -1, WIDTH)
        shares = jax.nn.softmax(tokens.mean(axis=2) + hidden)
        return jnp.tanh(jnp.einsum("nt,ntc->nc", shares, tokens)) @ kernel

    return head


def _max_head(rng: np.random.Generator) -> Layer:
    kernel = rng.normal(size=(WIDTH, CLASSES))
    return lambda x: _window(x, -np.inf, lax.max, "VALID", SIDE)[:, 0, 0] @ kernel


HEADS: dict[str, MakeLayer] = {
    "attention": _attention_head,
    "flat": _flat_head,
    "max": _max_head,
    "mean": _mean_head,
}
