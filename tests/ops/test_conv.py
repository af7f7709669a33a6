"""The member-batched convolution equals `lax.conv_general_dilated`, member by member."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxens.ops import conv_general_dilated

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


def loss(conv, geometry):
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

    return jax.value_and_grad(value, argnums=(0, 1), has_aux=True)


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


def test_two_mapped_axes_equal_a_loop_over_both():
    geometry = GEOMETRIES["3x3 strided"]
    x, w = operands(3, 1)
    both = jax.vmap(jax.vmap(loss(conv_general_dilated, geometry), (0, None)), (None, 0))
    (_, out), _ = jax.jit(both)(x, w)
    for member in range(MEMBERS):
        for step in range(MEMBERS):
            (_, want), _ = loss(lax.conv_general_dilated, geometry)(x[step], w[member])
            np.testing.assert_allclose(out[member, step], want, rtol=1e-5, atol=1e-5)


def test_no_grouped_convolution_is_left_after_vmap():
    geometry = GEOMETRIES["3x3"]
    x, w = operands(3, 1)
    text = jax.jit(jax.vmap(loss(conv_general_dilated, geometry))).lower(x, w).as_text()
    assert "stablehlo.convolution" in text
    assert f"feature_group_count = {MEMBERS}" not in text
    assert f"batch_group_count = {MEMBERS}" not in text
