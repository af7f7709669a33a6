"""The member-batched convolution equals `lax.conv_general_dilated`, member by member."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec as P

from jaxens.ops import conv, conv_general_dilated
from jaxens.ops.cpu import conv as cpu
from jaxens.ops.cpu import weights as cpu_weights
from jaxens.ops.cpu import windows

MEMBERS, NUMBERS = 3, ("NHWC", "HWIO", "NHWC")
# kernel, strides, padding, lhs dilation, rhs dilation, groups
GEOMETRIES = {
    "3x3": (3, (1, 1), [(1, 1), (1, 1)], None, None, 1),
    "3x3 strided": (3, (2, 2), [(1, 1), (1, 1)], None, None, 1),
    "7x7 strided": (7, (2, 2), [(3, 3), (3, 3)], None, None, 1),
    "1x1 strided": (1, (2, 2), "VALID", None, None, 1),
    "SAME, uneven strides": (3, (2, 1), "SAME", None, None, 1),
    "dilated": (3, (1, 1), "SAME", None, (2, 2), 1),
    "transposed": (3, (1, 1), [(2, 2), (2, 2)], (2, 2), None, 1),
    "grouped": (3, (1, 1), "SAME", None, None, 2),
}


def operands(kernel, groups, images_mapped=True, kernel_mapped=True):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(MEMBERS, 2, 9, 8, 4)).astype(np.float32)
    w = rng.normal(size=(MEMBERS, kernel, kernel, 4 // groups, 6)).astype(np.float32)
    return jnp.asarray(x if images_mapped else x[0]), jnp.asarray(w if kernel_mapped else w[0])


def plain_loss(conv, geometry):
    _, strides, padding, lhs_dilation, rhs_dilation, groups = geometry

    def value(x, w):
        out = conv(
            x,
            w,
            strides,
            padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            dimension_numbers=NUMBERS,
            feature_group_count=groups,
        )
        return jnp.sum(jnp.sin(out)), out

    return value


def loss(conv, geometry):
    return jax.value_and_grad(plain_loss(conv, geometry), argnums=(0, 1), has_aux=True)


@pytest.mark.parametrize("mapped", [(True, True), (False, True), (True, False)], ids=str)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_vmap_over_members_equals_one_lax_convolution_each(name, mapped):
    geometry = GEOMETRIES[name]
    x, w = operands(geometry[0], geometry[-1], *mapped)
    axes = tuple(0 if m else None for m in mapped)
    (_, out), grads = jax.jit(jax.vmap(loss(conv_general_dilated, geometry), axes))(x, w)
    for m in range(MEMBERS):
        one = (x[m] if mapped[0] else x, w[m] if mapped[1] else w)
        (_, out_m), grads_m = loss(lax.conv_general_dilated, geometry)(*one)
        np.testing.assert_allclose(out[m], out_m, rtol=1e-5, atol=1e-5)
        for got, want in zip(grads, grads_m, strict=True):
            np.testing.assert_allclose(got[m], want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mapped", [(True, True), (False, True), (True, False)], ids=str)
@pytest.mark.parametrize("name", ["3x3 strided", "7x7 strided", "1x1 strided"])
def test_the_rules_of_accelerators_equal_lax_too(name, mapped, monkeypatch):
    monkeypatch.setattr(conv, "_on_cpu", lambda *_: False)
    test_vmap_over_members_equals_one_lax_convolution_each(name, mapped)


def test_two_mapped_axes_equal_a_loop_over_both():
    geometry = GEOMETRIES["3x3 strided"]
    x, w = operands(3, 1)
    both = jax.vmap(jax.vmap(loss(conv_general_dilated, geometry), (0, None)), (None, 0))
    (_, out), _ = jax.jit(both)(x, w)
    for member in range(MEMBERS):
        for step in range(MEMBERS):
            (_, want), _ = loss(lax.conv_general_dilated, geometry)(x[step], w[member])
            np.testing.assert_allclose(out[member, step], want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("room", [0, windows.WINDOWS], ids=["convolutions", "products"])
def test_no_grouped_convolution_is_left_after_vmap(room, monkeypatch):
    monkeypatch.setattr(windows, "COLOURS", 0)
    monkeypatch.setattr(windows, "WINDOWS", room)
    geometry = GEOMETRIES["3x3"]
    x, w = operands(3, 1)
    text = jax.jit(jax.vmap(loss(conv_general_dilated, geometry))).lower(x, w).as_text()
    assert ("stablehlo.convolution" in text) == (room == 0)
    assert "stablehlo.dot_general" in text  # weight gradients, at least
    assert f"feature_group_count = {MEMBERS}" not in text
    assert f"batch_group_count = {MEMBERS}" not in text


# images, height, width, kernel, strides, padding: those of ResNet-18, VGG16 and the small ones,
# and some that leave a remainder
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
    "window wider than stride's step": (3, 9, 9, (2, 2), (3, 3), ((0, 0), (0, 0))),
}
# What decides between a CPU's forms: room for windows, and the row that is long enough.
FORMS = {
    "products": {(windows, "WINDOWS"): 2**40},
    "products of some images": {(windows, "WINDOWS"): 7000},
    "products of some rows": {(windows, "WINDOWS"): 4000},
    "direct": {(windows, "WINDOWS"): 0, (cpu, "ROW"): 0},
    "folded": {(windows, "WINDOWS"): 0, (cpu, "ROW"): 20},
    "all images in one row": {(windows, "WINDOWS"): 0, (cpu, "ROW"): 2**20},
    "the forward pass's windows": {
        (windows, "WINDOWS"): 2**40,
        (cpu_weights, "UNROLLED_CHANNELS"): 0,
    },
    "shifts of all images": {(cpu_weights, "SHIFTS"): 2**40},
    "shifts of some images": {(cpu_weights, "SHIFTS"): 20_000},
    "shifts of one image": {(cpu_weights, "SHIFTS"): 0},
}


def shift_whatever_is_small(monkeypatch):
    monkeypatch.setattr(cpu_weights, "SHIFTED_CHANNELS", range(1, 100))
    monkeypatch.setattr(cpu_weights, "SHIFTED_COLUMNS", 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SHAPES)
def test_each_form_of_a_cpu_equals_lax(name, form, monkeypatch):
    monkeypatch.setattr(windows, "COLOURS", 0)
    monkeypatch.setattr(windows, "FEW_PIXELS", 0)
    for (module, constant), value in FORMS[form].items():
        monkeypatch.setattr(module, constant, value)
    if form.startswith("shifts"):
        shift_whatever_is_small(monkeypatch)
    n, height, width, window, strides, padding = SHAPES[name]
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(n, height, width, 3)), jnp.float32)
    w = jnp.asarray(rng.normal(size=(*window, 3, 5)), jnp.float32)

    def parts(conv):
        at = partial(conv, window_strides=strides, padding=padding, dimension_numbers=NUMBERS)
        out, pull = jax.vjp(at, x, w)
        return out, pull(jnp.cos(jnp.arange(out.size, dtype=jnp.float32)).reshape(out.shape))

    both = [
        jax.jit(parts, static_argnums=0)(conv)
        for conv in (conv_general_dilated, lax.conv_general_dilated)
    ]
    jax.tree.map(
        lambda ours, want: np.testing.assert_allclose(ours, want, rtol=1e-5, atol=2e-5), *both
    )


def take(room, monkeypatch):
    """Windows of so many bytes at once, or shifts of an image after the other."""
    monkeypatch.setattr(windows, "COLOURS", 0)
    if room == "shifts":
        shift_whatever_is_small(monkeypatch)
        monkeypatch.setattr(cpu_weights, "SHIFTS", 0)
    else:
        monkeypatch.setattr(windows, "WINDOWS", room)


@pytest.mark.parametrize("room", [0, 7000, windows.WINDOWS, "shifts"])
def test_it_works_in_shard_map(room, monkeypatch):
    take(room, monkeypatch)
    x, w = operands(3, 1)
    mesh = jax.make_mesh((1,), ("member",), axis_types=(jax.sharding.AxisType.Auto,))
    of_all = jax.vmap(loss(conv_general_dilated, GEOMETRIES["3x3"]))
    split = jax.shard_map(of_all, mesh=mesh, in_specs=P("member"), out_specs=P("member"))
    jax.tree.map(
        lambda ours, want: np.testing.assert_allclose(ours, want, rtol=1e-6, atol=1e-6),
        jax.jit(split)(x, w),
        jax.jit(of_all)(x, w),
    )


@pytest.mark.parametrize("name", ["3x3", "3x3 strided", "grouped"])
@pytest.mark.parametrize("sharded", [(True, False), (False, True)], ids=["images", "kernels"])
def test_what_devices_share_has_the_sum_of_their_gradients(sharded, name):
    x, w = operands(GEOMETRIES[name][0], GEOMETRIES[name][-1], *sharded)
    mesh = jax.make_mesh((1,), ("member",), axis_types=(jax.sharding.AxisType.Auto,))
    mapped = tuple(0 if s else None for s in sharded)

    specs = tuple(P("member") if s else P() for s in sharded)

    def total(conv, x, w):
        return jax.vmap(plain_loss(conv, GEOMETRIES[name]), mapped)(x, w)[0].sum(keepdims=True)

    def outside(conv):
        split = partial(jax.shard_map, mesh=mesh, in_specs=specs, out_specs=P("member"))
        of_all = split(partial(total, conv))
        return jax.jit(jax.grad(lambda x, w: of_all(x, w).sum(), argnums=(0, 1)))(x, w)

    def inside(conv):
        grads = jax.grad(lambda x, w: total(conv, x, w)[0], argnums=(0, 1))
        return jax.jit(jax.shard_map(grads, mesh=mesh, in_specs=specs, out_specs=specs))(x, w)

    for way in (outside, inside):
        jax.tree.map(
            lambda ours, want: np.testing.assert_allclose(ours, want, rtol=1e-5, atol=1e-4),
            way(conv_general_dilated),
            way(lax.conv_general_dilated),
        )


def test_gradients_are_summed_over_two_devices():
    script = Path(__file__).with_name("two_devices.py")
    flags = "--xla_backend_optimization_level=0 --xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "equal\n", done.stderr


@pytest.mark.parametrize(
    ("images", "kernel", "stride", "padding"),
    [((2, 2, 2, 4), 3, 1, 0), ((0, 9, 8, 4), 3, 1, 1), ((2, 1, 1, 4), 4, 2, 1)],
    ids=["window larger than the image", "no image", "strided"],
)
def test_an_empty_result_is_as_empty_as_lax_makes_it(images, kernel, stride, padding):
    geometry = (kernel, (stride, stride), [(padding, padding)] * 2, None, None, 1)
    x, w = jnp.ones(images), jnp.ones((kernel, kernel, 4, 6))
    both = (
        jax.jit(loss(at, geometry))(x, w) for at in (conv_general_dilated, lax.conv_general_dilated)
    )
    jax.tree.map(np.testing.assert_array_equal, *both)


@pytest.mark.parametrize("room", [0, 7000, 2**40, "shifts"])
def test_bfloat16_is_summed_in_float32(room, monkeypatch):
    take(room, monkeypatch)
    rng = np.random.default_rng(2)
    exact = [jnp.asarray(rng.normal(size=s), jnp.bfloat16) for s in [(8, 8, 8, 6), (3, 3, 6, 5)]]

    def parts(at, *operands):
        out, pull = jax.vjp(
            partial(at, window_strides=(1, 1), padding="SAME", dimension_numbers=NUMBERS), *operands
        )
        return out, *pull(jnp.ones_like(out))

    ours = parts(conv_general_dilated, *exact)
    want = parts(lax.conv_general_dilated, *(x.astype(jnp.float32) for x in exact))
    for got, exactly in zip(ours, want, strict=True):
        assert got.dtype == jnp.bfloat16
        scale = float(jnp.max(jnp.abs(exactly)))
        np.testing.assert_allclose(got.astype(jnp.float32), exactly, atol=2**-8 * scale)


@pytest.mark.parametrize(
    ("images", "kernel", "strides", "dtype"),
    [
        ((2, 9, 8, 4), (3, 3, 5, 6), (1, 1), jnp.float32),
        ((2, 9, 8, 4), (3, 3, 4, 6), (1,), jnp.float32),
        ((2, 9, 8, 4), (3, 3, 4, 6), (1, 1), jnp.bfloat16),
    ],
    ids=["channels", "a stride for two axes", "types"],
)
def test_what_does_not_fit_is_refused_as_by_lax(images, kernel, strides, dtype):
    def message(at):
        with pytest.raises((TypeError, ValueError)) as refused:
            at(
                jnp.ones(images),
                jnp.ones(kernel, dtype),
                strides,
                ((1, 1), (1, 1)),
                dimension_numbers=NUMBERS,
            )
        return str(refused.value)

    assert message(conv_general_dilated) == message(lax.conv_general_dilated)


def test_shared_images_of_accelerators_take_one_convolution_of_all_members(monkeypatch):
    monkeypatch.setattr(conv, "_on_cpu", lambda *_: False)
    x, w = operands(7, 1, images_mapped=False)

    def to_kernel(w):
        return jax.grad(
            lambda w: plain_loss(conv_general_dilated, GEOMETRIES["7x7 strided"])(x, w)[0]
        )(w)

    text = jax.jit(jax.vmap(to_kernel)).lower(w).compile().as_text()
    assert text.count(" convolution(") == 2  # forward, weight gradient


def test_forward_mode_is_refused_and_says_so():
    x, w = operands(3, 1)
    at = partial(
        conv_general_dilated,
        rhs=w[0],
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=NUMBERS,
    )
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(at, (x[0],), (x[0],))


@pytest.mark.parametrize("name", GEOMETRIES)
def test_gradients_of_gradients_equal_those_of_lax(name):
    geometry = GEOMETRIES[name]
    x, w = operands(geometry[0], geometry[-1])

    def steepness(conv, x, w):
        slopes = jax.grad(lambda x, w: plain_loss(conv, geometry)(x, w)[0], argnums=(0, 1))(x, w)
        return sum(jnp.sum(slope**2) for slope in slopes)

    def of_all(conv):
        return jax.jit(jax.vmap(jax.grad(partial(steepness, conv), argnums=(0, 1))))(x, w)

    jax.tree.map(
        lambda ours, want: np.testing.assert_allclose(
            ours, want, rtol=1e-4, atol=1e-4 * float(jnp.abs(want).max())
        ),
        of_all(conv_general_dilated),
        of_all(lax.conv_general_dilated),
    )
