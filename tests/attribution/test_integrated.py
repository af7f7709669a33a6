from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from jaxens.targets import Model
from tests.attribution import cnn

pytestmark = pytest.mark.slow

IMAGES = cnn.sample_images(3)
BASELINES = cnn.sample_images(3, seed=1)
CURVATURE = np.random.default_rng(2).normal(size=(10, 14, 3, 4)).astype(np.float32)


def quadratic(images: jax.Array) -> jax.Array:
    """Each logit is a weighted sum of squares."""
    return jnp.einsum("nhwc,hwck->nk", images**2, CURVATURE)


def smooth(images: jax.Array) -> jax.Array:
    hidden = jnp.tanh(jnp.einsum("nhwc,hwck->nk", images, 0.1 * CURVATURE))
    return jnp.tanh(hidden @ CURVATURE[0, :4, 0])


def integrate(
    model: Model,
    images: np.ndarray,
    targets: attr.Targets,
    baselines: object = 0.0,
    steps: int = 50,
    **settings: object,
) -> jax.Array:
    compiled = jax.jit(partial(attr.integrated_gradients, model, steps=steps, **settings))
    return compiled(images, targets, baselines)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("quadrature", ["gausslegendre", "riemann_middle"])
def test_a_quadratic_is_attributed_exactly(quadrature: str, steps: int) -> None:
    maps = integrate(quadratic, IMAGES, 2, BASELINES, steps=steps, quadrature=quadrature)
    expected = CURVATURE[..., 2] * (IMAGES**2 - BASELINES**2)
    np.testing.assert_allclose(maps, expected, atol=1e-5)


@pytest.mark.parametrize("steps", [2, 5])
def test_a_riemann_sum_of_a_quadratic_is_off_by_half_a_step(steps: int) -> None:
    def maps(quadrature: str) -> jax.Array:
        return integrate(quadratic, IMAGES, 0, 0.0, steps, quadrature=quadrature)

    expected = CURVATURE[..., 0] * IMAGES**2
    np.testing.assert_allclose(maps("riemann_left"), expected * (1 - 1 / steps), atol=1e-5)
    np.testing.assert_allclose(maps("riemann_right"), expected * (1 + 1 / steps), atol=1e-5)
    np.testing.assert_allclose(maps("riemann_trapezoid"), expected, atol=1e-5)


@pytest.mark.parametrize("targets", [1, np.array([0, 3, 2]), attr.Contrast(0, 3)])
def test_attributions_of_a_smooth_model_are_complete(targets: attr.Targets) -> None:
    maps = integrate(smooth, IMAGES, targets, BASELINES)
    delta = attr.convergence_delta(smooth, maps, IMAGES, targets, BASELINES)
    np.testing.assert_allclose(delta, 0, atol=1e-5)
    before, after = (attr.select(smooth(x), targets) for x in (BASELINES, IMAGES))
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(maps.sum((1, 2, 3)), after - before, rtol=1e-4, atol=1e-6)


def test_attributions_of_a_network_with_kinks_approach_completeness(network: Model) -> None:
    @partial(jax.jit, static_argnames="steps")
    def deltas(images: jax.Array, steps: int) -> jax.Array:
        maps = attr.integrated_gradients(network, images, 1, steps=steps)
        return attr.convergence_delta(network, maps, images, 1)

    def gap(steps: int) -> float:
        return np.abs(deltas(IMAGES, steps)).max()

    change = np.abs(network(IMAGES)[:, 1] - network(0 * IMAGES)[:, 1])
    assert gap(500) < 0.01 * change.max()
    assert gap(500) < gap(5) / 5


def test_the_delta_of_no_attribution_is_the_change_of_the_logit() -> None:
    delta = attr.convergence_delta(quadratic, 0 * IMAGES, IMAGES, 1, BASELINES)
    expected = quadratic(BASELINES)[:, 1] - quadratic(IMAGES)[:, 1]
    np.testing.assert_allclose(delta, expected, rtol=1e-5)


def test_one_step_at_the_end_is_input_x_gradient(network: Model) -> None:
    one = attr.integrated_gradients(network, IMAGES, 3, steps=1, quadrature="riemann_right")
    np.testing.assert_allclose(one, attr.input_x_gradient(network, IMAGES, 3), atol=1e-6)


def test_an_image_that_is_its_baseline_has_no_attribution(network: Model) -> None:
    assert not integrate(network, IMAGES, 0, IMAGES, steps=3).any()


@pytest.mark.parametrize("chunk", [1, 4, 10, 11, None])
def test_the_chunk_changes_nothing(network: Model, chunk: int | None) -> None:
    whole = integrate(network, IMAGES, 1, steps=10)
    parts = integrate(network, IMAGES, 1, steps=10, chunk=chunk)
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_no_call_of_the_model_exceeds_the_chunk(network: Model) -> None:
    calls = []

    def watched(images: jax.Array) -> jax.Array:
        calls.append(len(images))
        return network(images)

    for chunk, rows in ((4, {6, 12}), (None, {30})):
        calls.clear()
        explain = partial(attr.integrated_gradients, watched, steps=10, chunk=chunk)
        jax.eval_shape(lambda images: explain(images, 1), IMAGES)  # noqa: B023
        assert set(calls) == rows


COLOR = np.array([0.5, -1, 2], np.float32)


@pytest.mark.parametrize(
    ("baselines", "same"),
    [
        (1, np.full_like(IMAGES, 1)),
        (np.float32(0.5), np.full_like(IMAGES, 0.5)),
        (COLOR, np.broadcast_to(COLOR, IMAGES.shape)),
        (BASELINES[0], np.broadcast_to(BASELINES[0], IMAGES.shape)),
        (BASELINES[:1], np.broadcast_to(BASELINES[:1], IMAGES.shape)),
    ],
    ids=["integer", "number", "color", "image", "batch of one"],
)
def test_baselines_broadcast_to_the_images(baselines: jax.Array, same: np.ndarray) -> None:
    maps = integrate(quadratic, IMAGES, 1, baselines, steps=2)
    expected = CURVATURE[..., 1] * (IMAGES**2 - same**2)
    np.testing.assert_allclose(maps, expected, atol=2e-5)


@pytest.mark.parametrize("shape", [(2, 10, 14, 3), (14, 10, 3), (1, 3, 10, 14, 3)])
def test_baselines_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"baselines has shape .* does not broadcast"):
        attr.integrated_gradients(quadratic, IMAGES, 1, np.zeros(shape))


@pytest.mark.parametrize("baselines", [np.nan, np.inf, [0.0, np.nan, 0.0]])
@pytest.mark.usefixtures("unchecked")
def test_baselines_that_are_not_finite_are_refused(baselines: object) -> None:
    with pytest.raises(ValueError, match="baselines contains NaN or infinity: give finite numbers"):
        attr.integrated_gradients(quadratic, IMAGES, 1, baselines)
