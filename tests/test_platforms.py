"""A program is compiled for its platform, here without that platform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.metrics import Protocol, score
from jaxens.ops import conv_general_dilated, over_members
from jaxens.ops.members import LARGE
from jaxens.platforms import by_platform


def sums(images, kernels):
    def of_member(kernel):
        return jnp.sin(kernel).sum() * images.sum()

    return over_members(jax.grad(of_member), (0,))(kernels)


def conv_over_members(images, kernels):
    def convolved(images, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        return conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=numbers)

    return jax.vmap(convolved)(images, kernels)


def scores(images, kernels):
    return score(images[:, 0, ..., 0], images[:, 0, ..., 1] > 0, None, Protocol(), signed=True)


ARGUMENTS = (jnp.ones((5, 4, 16, 16, 8)), jnp.ones((5, 3, 3, 8, 6)))


@pytest.mark.parametrize("function", [sums, conv_over_members, scores])
def test_a_cpu_gets_loops_and_a_tpu_none(function):
    traced = jax.jit(function).trace(*ARGUMENTS)
    loops = {
        platform: traced.lower(lowering_platforms=(platform,)).as_text().count("stablehlo.while")
        for platform in ("cpu", "tpu", "cuda")
    }
    assert loops == {"cpu": 1, "tpu": 0, "cuda": 0}


def test_members_with_many_pixels_are_a_loop_on_any_platform():
    def of_all(kernels):
        return over_members(lambda kernel: jnp.sin(kernel).sum(), (0,), LARGE)(kernels)

    traced = jax.jit(of_all).trace(ARGUMENTS[1])
    for platform in ("cpu", "tpu", "cuda"):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert text.count("stablehlo.while") == 1


def test_within_a_choice_others_follow_it():
    traced = []

    def form(name):
        def run(x):
            traced.append(name)
            return x + 1

        return run

    inner = by_platform(cpu=form("inner cpu"), elsewhere=form("inner elsewhere"))
    outer = by_platform(cpu=lambda x: inner(x) * 2, elsewhere=lambda x: inner(x) * 2)
    np.testing.assert_array_equal(jax.jit(outer)(jnp.ones(2)), [4, 4])
    assert traced == ["inner cpu", "inner elsewhere"]


def test_a_jitted_function_follows_the_choice_around_each_call():
    choice = jax.jit(by_platform(cpu=jnp.sin, elsewhere=jnp.cos))
    outer = by_platform(cpu=choice, elsewhere=choice)
    traced = jax.jit(outer).trace(jnp.ones(2))
    text = {p: traced.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "tpu")}
    assert "sine" in text["cpu"]
    assert "cosine" not in text["cpu"]
    assert "cosine" in text["tpu"]


def test_of_many_members_only_one_is_compiled_anywhere():
    images, kernels = (jnp.ones((65, *each.shape[1:])) for each in ARGUMENTS)
    traced = jax.jit(conv_over_members).trace(images, kernels)
    text = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("stablehlo.convolution") == 1
