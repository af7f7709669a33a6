import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from jaxens.attribution.sequence import after, sum_in_chunks
from tests.attribution import cases
from tests.reference import twins

IMAGES = twins.sample_images(3, 2)


@pytest.mark.parametrize("chunk", [1, 3, 5, 7, 100, None])
def test_a_sum_in_chunks_takes_every_point_once(chunk: int | None) -> None:
    images, points = jnp.asarray(IMAGES), jnp.arange(7.0)
    total = sum_in_chunks(lambda images, some: images * points[some].sum(), images, 7, chunk)
    np.testing.assert_allclose(total, IMAGES * 21, rtol=1e-6)


@pytest.mark.parametrize("chunk", [0, -2])
def test_a_chunk_of_nothing_is_refused(chunk: int) -> None:
    with pytest.raises(ValueError, match=f"chunk is {chunk}: give at least 1"):
        sum_in_chunks(lambda images, some: images, jnp.asarray(IMAGES), 7, chunk)


def test_chunks_bound_memory() -> None:
    def memory(chunk: int | None) -> int:
        explain = jax.jit(
            lambda images: attr.integrated_gradients(cases.wide, images, 0, steps=64, chunk=chunk)
        )
        return explain.lower(cases.LARGE).compile().memory_analysis().temp_size_in_bytes

    assert memory(4) < memory(None) / 4


def test_what_waits_for_members_is_shared_by_them_still() -> None:
    """Outside of `jit`, what `vmap` maps over is traced, and what all members share is not."""
    traced = []

    def member(weight: jax.Array) -> jax.Array:
        images = after(weight * IMAGES, jnp.asarray(IMAGES))
        traced.append(isinstance(images, jax.core.Tracer))
        return weight * images

    maps = jax.vmap(member)(jnp.array([1.0, np.nan, 3.0]))
    assert traced == [False]
    np.testing.assert_array_equal(maps[2], 3 * IMAGES)


def test_a_map_in_chunks_has_a_gradient_too() -> None:
    def map_of_squares(images: jax.Array) -> jax.Array:
        model = lambda images: (images**2).sum(axis=(1, 2))  # noqa: E731
        return attr.integrated_gradients(model, images, 0, steps=3, chunk=1)[..., 0].sum()

    np.testing.assert_allclose(
        jax.grad(map_of_squares)(IMAGES)[..., 0], 2 * IMAGES[..., 0], rtol=1e-5
    )
