"""Each form in which a CPU computes a convolution equals `lax.conv_general_dilated`."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxens.ops import conv_general_dilated
from jaxens.ops.cpu import conv as cpu_conv
from jaxens.ops.cpu import side_by_side, windows, winograd

# The values are: images, height, width, kernel, strides, padding. ResNet-18, VGG16 and the small
# models have such layers. In some of the others, the stride does not divide the image evenly.
SHAPES = {
    "3x3": (4, 8, 8, (3, 3), (1, 1), ((1, 1), (1, 1))),
    "3x3 strided": (4, 8, 8, (3, 3), (2, 2), ((1, 1), (1, 1))),
    "3x3 strided, odd": (4, 7, 9, (3, 3), (2, 2), ((1, 1), (1, 1))),
    "7x7 strided": (4, 12, 12, (7, 7), (2, 2), ((3, 3), (3, 3))),
    "4x4 strided": (4, 8, 8, (4, 4), (2, 2), ((1, 1), (1, 1))),
    "1x1": (4, 5, 5, (1, 1), (1, 1), ((0, 0), (0, 0))),
    "1x1 strided": (4, 5, 6, (1, 1), (2, 2), ((0, 0), (0, 0))),
    "1x1 strided, remainder": (4, 8, 8, (1, 1), (3, 3), ((0, 0), (0, 0))),
    "no padding": (4, 8, 8, (3, 3), (1, 1), ((0, 0), (0, 0))),
    "more padding than window": (4, 5, 5, (2, 2), (1, 1), ((3, 2), (3, 2))),
    "uneven": (6, 8, 5, (3, 2), (1, 2), ((2, 0), (0, 1))),
    "2x2 maps": (4, 2, 2, (3, 3), (1, 1), ((1, 1), (1, 1))),
    "1x1 maps": (4, 1, 1, (3, 3), (1, 1), ((1, 1), (1, 1))),
    "stride wider than window": (3, 9, 9, (2, 2), (3, 3), ((0, 0), (0, 0))),
}
# Constants that select each form of `jaxens.ops.cpu` for operands of any size.
VARIANTS = {
    "product": {(windows, "ROOM"): 2**40},
    "products of some images": {(windows, "ROOM"): 7000},
    "products of some rows": {(windows, "ROOM"): 4000},
    "convolution": {(windows, "ROOM"): 0, (side_by_side, "WIDE"): 0},
    "convolution of some images": {(windows, "ROOM"): 0, (side_by_side, "LONG_ROW"): 20},
    "convolution of all images": {(windows, "ROOM"): 0, (side_by_side, "LONG_ROW"): 2**20},
    "Winograd": {(winograd, name): 0 for name in ("CHANNELS", "TILES", "WORK")},
    "Winograd, image by image": {
        (winograd, name): 0 for name in ("CHANNELS", "TILES", "WORK", "ROOM")
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("form", VARIANTS)
@pytest.mark.parametrize("name", SHAPES)
def test_each_cpu_form_equals_lax(name, form, monkeypatch):
    monkeypatch.setattr(windows, "IMAGE_CHANNELS", 0)
    monkeypatch.setattr(windows, "FEW_PIXELS", 0)
    monkeypatch.setattr(cpu_conv, "SMALL", 2**40)
    monkeypatch.setattr(side_by_side, "FEW_CHANNELS", 0)
    for (module, constant), value in VARIANTS[form].items():
        monkeypatch.setattr(module, constant, value)
    ours = result_and_gradients(conv_general_dilated, name)
    expected = result_and_gradients_of_lax(name)
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=2e-5)
    jax.tree.map(close, ours, expected)


def result_and_gradients(conv, name):
    n, height, width, window, strides, padding = SHAPES[name]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, height, width, 3)).astype(np.float32)
    w = rng.normal(size=(*window, 3, 5)).astype(np.float32)

    @jax.jit
    def values(x, w):
        at = partial(
            conv,
            window_strides=strides,
            padding=padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        out, vjp = jax.vjp(at, x, w)
        return out, vjp(jnp.cos(jnp.arange(out.size, dtype=jnp.float32)).reshape(out.shape))

    return values(x, w)


@cache
def result_and_gradients_of_lax(name):
    return result_and_gradients(lax.conv_general_dilated, name)


def parts_of(conv, x, w, cotangent, **settings):
    """The result of a 3x3 convolution, and both gradients."""
    numbers = ("NHWC", "HWIO", "NHWC")
    at = partial(conv, window_strides=(1, 1), padding="SAME", dimension_numbers=numbers, **settings)
    out, vjp = jax.vjp(at, x, w)
    return out, *vjp(cotangent)


def products(dtype=jnp.float32, channels=128, size=112, **settings):
    """Counts the matrix products in the program of a 3x3 convolution and both its gradients."""
    x, w, y = (
        jax.ShapeDtypeStruct(shape, dtype)
        for shape in [(1, size, size, channels), (3, 3, channels, 128), (1, size, size, 128)]
    )
    parts = jax.jit(partial(parts_of, conv_general_dilated, **settings))
    return parts.lower(x, w, y).as_text().count("stablehlo.dot_general")


def test_winograd_has_sixteen_products_where_it_is_faster_and_exact_enough():
    assert products() == 3 * 16
    assert products(precision=lax.Precision.DEFAULT) == 3 * 16
    assert products(precision="default") == 3 * 16
    with jax.default_matmul_precision("highest"):
        assert products() < 16
        assert products(precision="default") == 3 * 16
    others = [{"precision": "highest"}, {"dtype": jnp.bfloat16}, {"channels": 32}, {"size": 28}]
    assert all(products(**other) < 16 for other in others)


def test_the_rounding_of_winograd_is_that_of_float32():
    rng = np.random.default_rng(2)
    x = np.maximum(rng.normal(size=(1, 64, 64, 256)), 0)
    w = rng.normal(size=(3, 3, 256, 256)) / 48
    y = rng.normal(size=(1, 64, 64, 256))
    single = [jnp.asarray(each, jnp.float32) for each in (x, w, y)]
    ours = jax.jit(partial(parts_of, conv_general_dilated))(*single)
    with jax.enable_x64():
        exact = parts_of(lax.conv_general_dilated, *map(jnp.asarray, (x, w, y)))
    for got, want in zip(map(np.asarray, ours), map(np.asarray, exact), strict=True):
        assert np.abs(got - want).max() < 1e-6 * np.abs(want).max()


@pytest.mark.parametrize("kernel", [(31, 31, 1, 4), (28, 28, 4, 2)])
def test_large_windows_are_one_operation(kernel):
    """Each pixel of a window would be a part of the program otherwise."""
    x, w = jnp.ones((1, 28, 28, 4)), jnp.ones(kernel)
    conv = partial(
        conv_general_dilated,
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=4 // kernel[2],
    )
    text = jax.jit(jax.grad(lambda x, w: conv(x, w).sum(), (0, 1))).lower(x, w).as_text()
    assert text.count("stablehlo.slice") + text.count("stablehlo.dot_general") < 10
