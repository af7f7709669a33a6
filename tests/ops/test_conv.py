"""The member-batched convolution equals `lax.conv_general_dilated`, member by member."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec as P

from jaxens.ops import conv_general_dilated
from jaxens.ops.cpu import conv as cpu_conv
from jaxens.ops.cpu import windows
from jaxens.platforms import traced_platform

MEMBERS, NUMBERS = 3, ("NHWC", "HWIO", "NHWC")
# Kernel, strides, padding, lhs dilation, rhs dilation, groups.
GEOMETRIES = {
    "3x3": (3, (1, 1), [(1, 1), (1, 1)], None, None, 1),
    "3x3 strided": (3, (2, 2), [(1, 1), (1, 1)], None, None, 1),
    "7x7 strided": (7, (2, 2), [(3, 3), (3, 3)], None, None, 1),
    "1x1 strided": (1, (2, 2), "VALID", None, None, 1),
    "SAME, uneven strides": (3, (2, 1), "SAME", None, None, 1),
    "dilated": (3, (1, 1), "SAME", None, (2, 2), 1),
    "transposed": (3, (1, 1), [(2, 2), (2, 2)], (2, 2), None, 1),
    "grouped": (3, (1, 1), "SAME", None, None, 2),
    "depthwise": (3, (1, 1), "SAME", None, None, 4),
    "depthwise, 5x5 strided": (5, (2, 2), "SAME", None, None, 4),
    "depthwise, uneven": (3, (2, 1), [(2, 0), (0, 1)], None, None, 4),
}


def operands(kernel, groups, images_mapped=True, kernel_mapped=True, members=MEMBERS):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(members, 2, 9, 8, 4)).astype(np.float32)
    out = 4 if groups == 4 else 6  # depthwise: as many as there are channels
    w = rng.normal(size=(members, kernel, kernel, 4 // groups, out)).astype(np.float32)
    return jnp.asarray(x if images_mapped else x[0]), jnp.asarray(w if kernel_mapped else w[0])


def mesh():
    """Two of the CPU devices that `tests/conftest.py` sets up."""
    auto = (jax.sharding.AxisType.Auto,)
    return jax.make_mesh((2,), ("member",), axis_types=auto, devices=jax.devices()[:2])


def assert_close(ours, expected, **tolerances):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerances), ours, expected)


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


@pytest.fixture
def as_on_gpu():
    with traced_platform("default"):
        yield


@cache
def loss_of_lax(name):
    """Compiled once for all tests of a geometry."""
    return jax.jit(loss(lax.conv_general_dilated, GEOMETRIES[name]))


@pytest.mark.slow
@pytest.mark.parametrize("mapped", [(True, True), (False, True), (True, False)], ids=str)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_vmap_over_members_equals_lax_member_by_member(name, mapped):
    geometry = GEOMETRIES[name]
    x, w = operands(geometry[0], geometry[-1], *mapped)
    axes = tuple(0 if m else None for m in mapped)
    (_, out), grads = jax.jit(jax.vmap(loss(conv_general_dilated, geometry), axes))(x, w)
    for m in range(MEMBERS):
        one = (x[m] if mapped[0] else x, w[m] if mapped[1] else w)
        (_, out_m), grads_m = loss_of_lax(name)(*one)
        np.testing.assert_allclose(out[m], out_m, rtol=1e-5, atol=1e-5)
        for got, want in zip(grads, grads_m, strict=True):
            np.testing.assert_allclose(got[m], want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mapped", [(True, True), (False, True), (True, False)], ids=str)
@pytest.mark.parametrize(
    "name", ["3x3 strided", "7x7 strided", "1x1 strided", "grouped", "depthwise, 5x5 strided"]
)
def test_the_batching_rules_of_accelerators_equal_lax(name, mapped, as_on_gpu):
    test_vmap_over_members_equals_lax_member_by_member(name, mapped)


def test_nested_vmap_equals_a_double_loop():
    geometry = GEOMETRIES["3x3 strided"]
    x, w = operands(3, 1)
    both = jax.vmap(jax.vmap(loss(conv_general_dilated, geometry), (0, None)), (None, 0))
    (_, out), _ = jax.jit(both)(x, w)
    for member in range(MEMBERS):
        for step in range(MEMBERS):
            (_, want), _ = loss_of_lax("3x3 strided")(x[step], w[member])
            np.testing.assert_allclose(out[member, step], want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("room", [0, windows.ROOM], ids=["convolutions", "products"])
def test_vmap_gives_no_grouped_convolution(room, monkeypatch):
    monkeypatch.setattr(windows, "IMAGE_CHANNELS", 0)
    monkeypatch.setattr(windows, "ROOM", room)
    monkeypatch.setattr(cpu_conv, "SMALL", 2**40)
    jax.clear_caches()  # what was traced with another room
    geometry = GEOMETRIES["3x3"]
    x, w = operands(3, 1)
    text = jax.jit(jax.vmap(loss(conv_general_dilated, geometry))).lower(x, w).as_text()
    assert ("stablehlo.convolution" in text) == (room == 0)
    assert "stablehlo.dot_general" in text  # at least of the weight gradients
    assert f"feature_group_count = {MEMBERS}" not in text
    assert f"batch_group_count = {MEMBERS}" not in text


@pytest.mark.parametrize("room", [0, 7000, windows.ROOM])
def test_shard_map_over_members_equals_vmap(room, monkeypatch):
    monkeypatch.setattr(windows, "IMAGE_CHANNELS", 0)
    monkeypatch.setattr(windows, "ROOM", room)
    x, w = operands(3, 1, members=4)
    vmapped = jax.vmap(loss(conv_general_dilated, GEOMETRIES["3x3"]))
    sharded = jax.shard_map(vmapped, mesh=mesh(), in_specs=P("member"), out_specs=P("member"))
    assert_close(jax.jit(sharded)(x, w), jax.jit(vmapped)(x, w), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["3x3", "3x3 strided", "grouped", "depthwise"])
@pytest.mark.parametrize(
    "sharded", [(True, True), (True, False), (False, True)], ids=["both", "images", "kernels"]
)
@pytest.mark.parametrize("grad_inside", [True, False], ids=["inside", "outside"])
def test_gradients_of_shared_operands_are_summed_over_devices(sharded, name, grad_inside):
    geometry = GEOMETRIES[name]
    x, w = operands(geometry[0], geometry[-1], *sharded, members=4)
    in_axes = tuple(0 if s else None for s in sharded)
    specs = tuple(P("member") if s else P() for s in sharded)
    shard = partial(jax.shard_map, mesh=mesh(), in_specs=specs)

    def total(conv, x, w):
        return jax.vmap(plain_loss(conv, geometry), in_axes)(x, w)[0].sum(keepdims=True)

    def gradients(conv):
        if grad_inside:
            gradient = jax.grad(lambda x, w: total(conv, x, w)[0], argnums=(0, 1))
            return shard(gradient, out_specs=specs)
        losses = shard(partial(total, conv), out_specs=P("member"))
        return jax.grad(lambda x, w: losses(x, w).sum(), argnums=(0, 1))

    assert_close(
        jax.jit(gradients(conv_general_dilated))(x, w),
        summed_gradients_of_lax(name, in_axes)(x, w),
        rtol=1e-5,
        atol=1e-4,
    )


@cache
def summed_gradients_of_lax(name, in_axes):
    members = jax.vmap(plain_loss(lax.conv_general_dilated, GEOMETRIES[name]), in_axes)
    return jax.jit(jax.grad(lambda x, w: members(x, w)[0].sum(), argnums=(0, 1)))


@pytest.mark.parametrize(
    ("images", "kernel", "stride", "padding"),
    [((2, 2, 2, 4), 3, 1, 0), ((0, 9, 8, 4), 3, 1, 1), ((2, 1, 1, 4), 4, 2, 1)],
    ids=["window larger than the image", "no image", "strided"],
)
def test_empty_results_equal_lax(images, kernel, stride, padding):
    geometry = (kernel, (stride, stride), [(padding, padding)] * 2, None, None, 1)
    x, w = jnp.ones(images), jnp.ones((kernel, kernel, 4, 6))
    ours, expected = (
        jax.jit(loss(conv, geometry))(x, w)
        for conv in (conv_general_dilated, lax.conv_general_dilated)
    )
    jax.tree.map(np.testing.assert_array_equal, ours, expected)


@pytest.mark.parametrize("room", [0, 7000, 2**40])
def test_bfloat16_is_summed_in_float32(room, monkeypatch):
    monkeypatch.setattr(windows, "IMAGE_CHANNELS", 0)
    monkeypatch.setattr(windows, "ROOM", room)
    rng = np.random.default_rng(2)
    operands = [jnp.asarray(rng.normal(size=s), jnp.bfloat16) for s in [(8, 8, 8, 6), (3, 3, 6, 5)]]

    def values(conv, *operands):
        at = partial(conv, window_strides=(1, 1), padding="SAME", dimension_numbers=NUMBERS)
        out, vjp = jax.vjp(at, *operands)
        return out, *vjp(jnp.ones_like(out))

    ours = values(conv_general_dilated, *operands)
    expected = values(lax.conv_general_dilated, *(x.astype(jnp.float32) for x in operands))
    for got, want in zip(ours, expected, strict=True):
        assert got.dtype == jnp.bfloat16
        scale = float(jnp.max(jnp.abs(want)))
        np.testing.assert_allclose(got.astype(jnp.float32), want, atol=2**-8 * scale)


@pytest.mark.parametrize(
    ("images", "kernel", "strides", "dtype"),
    [
        ((2, 9, 8, 4), (3, 3, 5, 6), (1, 1), jnp.float32),
        ((2, 9, 8, 4), (3, 3, 4, 6), (1,), jnp.float32),
        ((2, 9, 8, 4), (3, 3, 4, 6), (1, 1), jnp.bfloat16),
    ],
    ids=["channels", "a stride for two axes", "types"],
)
def test_operands_that_do_not_match_raise_the_error_of_lax(images, kernel, strides, dtype):
    def message(at):
        with pytest.raises((TypeError, ValueError)) as error:
            at(
                jnp.ones(images),
                jnp.ones(kernel, dtype),
                strides,
                ((1, 1), (1, 1)),
                dimension_numbers=NUMBERS,
            )
        return str(error.value)

    assert message(conv_general_dilated) == message(lax.conv_general_dilated)


@pytest.mark.parametrize("name", ["grouped", "depthwise"])
def test_grouped_convolutions_are_no_unrolled_loop_over_members(name, as_on_gpu):
    """Two programs of the same length, for few and for many members."""
    geometry = GEOMETRIES[name]

    def convolutions(members):
        x, w = operands(geometry[0], geometry[-1], members=members)
        text = jax.jit(jax.vmap(loss(conv_general_dilated, geometry))).lower(x, w).as_text()
        return text.count("stablehlo.convolution")

    assert convolutions(2) == convolutions(9) == 3


@pytest.mark.parametrize("name", ["grouped", "depthwise"])
def test_on_a_cpu_grouped_convolutions_are_compiled_for_one_member(name):
    geometry = GEOMETRIES[name]

    def length(members):
        x, w = operands(geometry[0], geometry[-1], members=members)
        text = jax.jit(jax.vmap(loss(conv_general_dilated, geometry))).lower(x, w).as_text()
        return len(text.splitlines())

    assert length(2) == length(9)


def test_accelerators_run_one_convolution_for_members_that_share_images(as_on_gpu):
    x, w = operands(7, 1, images_mapped=False)

    def weight_gradient(w):
        return jax.grad(
            lambda w: plain_loss(conv_general_dilated, GEOMETRIES["7x7 strided"])(x, w)[0]
        )(w)

    text = jax.jit(jax.vmap(weight_gradient)).lower(w).compile().as_text()
    assert text.count(" convolution(") == 2  # forward, weight gradient


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [14, 15])
def test_depthwise_convolutions_and_their_gradients_equal_lax(kernel, stride, size):
    rng = np.random.default_rng(3)
    x = jnp.asarray(rng.normal(size=(2, size, size, 6)), jnp.float32)
    w = jnp.asarray(rng.normal(size=(kernel, kernel, 1, 6)), jnp.float32)
    geometry = (kernel, (stride, stride), "SAME", None, None, 6)
    ours, expected = (
        jax.jit(loss(conv, geometry))(x, w)
        for conv in (conv_general_dilated, lax.conv_general_dilated)
    )
    assert_close(ours, expected, rtol=1e-5, atol=1e-4)
    assert "feature_group_count = 6" not in str(
        jax.jit(lambda x, w: plain_loss(conv_general_dilated, geometry)(x, w)[1])
        .lower(x, w)
        .as_text()
    )


def test_forward_mode_raises_an_error():
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


@pytest.mark.slow
@pytest.mark.parametrize("name", GEOMETRIES)
def test_second_derivatives_equal_lax(name):
    geometry = GEOMETRIES[name]
    x, w = operands(geometry[0], geometry[-1])

    def squared_gradients(conv, x, w):
        gradients = jax.grad(lambda x, w: plain_loss(conv, geometry)(x, w)[0], argnums=(0, 1))(x, w)
        return sum(jnp.sum(gradient**2) for gradient in gradients)

    def vmapped(conv):
        return jax.jit(jax.vmap(jax.grad(partial(squared_gradients, conv), argnums=(0, 1))))(x, w)

    jax.tree.map(
        lambda ours, want: np.testing.assert_allclose(
            ours, want, rtol=1e-4, atol=1e-4 * float(jnp.abs(want).max())
        ),
        vmapped(conv_general_dilated),
        vmapped(lax.conv_general_dilated),
    )
