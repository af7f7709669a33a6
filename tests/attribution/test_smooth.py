import re
from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxens import attribution as attr
from jaxens.targets import Model
from tests.attribution import cases, cnn

pytestmark = pytest.mark.slow

IMAGES = cnn.sample_images(4)
TARGETS = np.array([2, 0, 4, 2])
KEY = jax.random.key(0)
KEYS = jax.random.split(jax.random.key(1), len(IMAGES))
NOISE = np.random.default_rng(1).normal(0, 0.3, (4, 6, *IMAGES.shape[1:])).astype(np.float32)
FROM_DRAWS = {"smooth": attr.smooth_grad_from_draws, "var": attr.var_grad_from_draws}
WRAPPERS = {"smooth": attr.smooth_grad, "var": attr.var_grad}

both = pytest.mark.parametrize("name", WRAPPERS)


@partial(jax.jit, static_argnames=("samples", "stdev"))
def draw(
    key: jax.Array, images: np.ndarray = IMAGES, *, samples: int = 5, stdev: float = 0.2
) -> jax.Array:
    return attr.noise_draws(key, images, samples, stdev)


def explain(
    name: str,
    method: Callable[..., jax.Array],
    model: Model,
    targets: attr.Targets,
    noise: np.ndarray = NOISE,
    images: np.ndarray = IMAGES,
    chunk: int | None = None,
) -> jax.Array:
    if callable(targets):
        return compiled(name, method, model, chunk, targets)(images, noise)
    return compiled(name, method, model, chunk)(images, noise, targets=targets)


@cache
def compiled(
    name: str, method: Callable[..., jax.Array], model: Model, chunk: int | None, *function: Model
) -> Callable[..., jax.Array]:
    def from_draws(
        images: jax.Array, noise: jax.Array, targets: attr.Targets | None = None
    ) -> jax.Array:
        explained = function[0] if function else targets
        return FROM_DRAWS[name](method, model, images, explained, noise, chunk)

    return jax.jit(from_draws)


def squares(images: jax.Array) -> jax.Array:
    """The gradient of logit c is twice channel c."""
    return (images**2).sum(axis=(1, 2))


def test_the_mean_map_of_the_noisy_copies_is_taken() -> None:
    maps = explain("smooth", attr.saliency, squares, 1)
    expected = np.abs(2 * (IMAGES[:, None] + NOISE)).mean(axis=1)
    np.testing.assert_allclose(maps[..., 1], expected[..., 1], rtol=1e-5)
    assert not maps[..., ::2].any()


def test_the_variance_of_the_noisy_copies_maps_is_taken() -> None:
    maps = explain("var", attr.input_x_gradient, squares, 1)
    expected = (2 * (IMAGES[:, None] + NOISE) ** 2).var(axis=1)
    np.testing.assert_allclose(maps[..., 1], expected[..., 1], rtol=1e-4)


@pytest.mark.parametrize("chunk", [1, 4, None])
def test_the_variance_keeps_its_digits_where_maps_hardly_vary(chunk: int | None) -> None:
    """A gradient of 10,000 and something: its square has no room for the something."""
    images = np.full((1, 2, 3, 1), 5000, np.float32)
    noise = np.random.default_rng(0).integers(-8, 9, (1, 6, 2, 3, 1)).astype(np.float32) / 8
    maps = explain("var", attr.saliency, squares, 0, noise, images, chunk)
    np.testing.assert_allclose(maps, 4 * noise.astype(np.float64).var(axis=1), rtol=1e-3)


def test_neither_a_constant_gradient_nor_a_single_copy_varies(network: Model) -> None:
    assert not explain("var", attr.saliency, lambda images: images.sum(axis=(1, 2)), 1).any()
    assert not explain("var", attr.saliency, network, 1, NOISE[:, :1]).any()


@pytest.mark.parametrize(
    "method",
    [attr.saliency, attr.input_x_gradient, partial(attr.integrated_gradients, steps=3)],
    ids=["saliency", "input x gradient", "integrated gradients"],
)
def test_without_noise_it_is_the_method(method: Callable[..., jax.Array], network: Model) -> None:
    @jax.jit
    def both(images: jax.Array) -> tuple[jax.Array, jax.Array]:
        smoothed = attr.smooth_grad(method)(network, images, TARGETS, key=KEY, samples=3, stdev=0)
        return smoothed, method(network, images, TARGETS)

    smoothed, plain = both(IMAGES)
    np.testing.assert_allclose(smoothed, plain, atol=1e-6 * np.abs(plain).max())


@both
def test_draws_are_those_of_the_key(name: str, network: Model) -> None:
    wrapped = partial(WRAPPERS[name](attr.saliency), network, samples=5, stdev=0.2)
    maps = jax.jit(wrapped)(IMAGES, TARGETS, key=KEY)
    drawn = explain(name, attr.saliency, network, TARGETS, draw(KEY))
    np.testing.assert_allclose(maps, drawn, atol=1e-5 * np.abs(drawn).max())


TARGETS_OF_ALL_KINDS = {
    "a class for each image": TARGETS,
    "a contrast": attr.Contrast(TARGETS, np.array([1, 1, 0, 3])),
    "a function": lambda logits: logits[jnp.arange(4), TARGETS],
}


@both
@pytest.mark.parametrize("targets", TARGETS_OF_ALL_KINDS.values(), ids=TARGETS_OF_ALL_KINDS)
def test_every_copy_is_explained_for_its_images_target(
    targets: attr.Targets, name: str, network: Model
) -> None:
    maps = explain(name, attr.input_x_gradient, network, targets)
    plain = jax.jit(lambda images: attr.input_x_gradient(network, images, targets))
    copies = [plain(IMAGES + NOISE[:, sample]) for sample in range(6)]
    expected = {"smooth": np.mean, "var": np.var}[name](copies, axis=0)
    np.testing.assert_allclose(maps, expected, atol=1e-5 * np.abs(expected).max())


def test_any_gradient_method_may_be_wrapped(network: Model, params: cnn.Params) -> None:
    guided = partial(cnn.logits, params, act=attr.guided_relu)
    smoothed = explain("smooth", attr.guided_backprop, guided, 1)
    plain = jax.jit(lambda images: attr.guided_backprop(guided, images, 1))
    copies = [plain(IMAGES + NOISE[:, sample]) for sample in range(6)]
    expected = np.mean(copies, axis=0)
    np.testing.assert_allclose(smoothed, expected, atol=1e-5 * np.abs(expected).max())
    with pytest.raises(ValueError, match="no guided_relu"):
        explain("smooth", attr.guided_backprop, network, 1)


@both
@pytest.mark.parametrize("chunk", [None, 4])
def test_a_method_may_have_maps_of_another_size(
    name: str, chunk: int | None, params: cnn.Params
) -> None:
    grad_cam = partial(attr.grad_cam, partial(cnn.features, params))
    head = partial(cnn.head, params)
    maps = explain(name, grad_cam, head, TARGETS, chunk=chunk)
    plain = jax.jit(lambda images: grad_cam(head, images, TARGETS))
    copies = [plain(IMAGES + NOISE[:, sample]) for sample in range(6)]
    expected = {"smooth": np.mean, "var": np.var}[name](copies, axis=0)
    wrapped = partial(WRAPPERS[name](grad_cam), head, key=KEY, samples=6, chunk=chunk)
    assert maps.shape == jax.eval_shape(wrapped, IMAGES, TARGETS).shape == (4, 3, 4)
    np.testing.assert_allclose(maps, expected, atol=1e-5 * np.abs(expected).max())


@both
@pytest.mark.parametrize(
    "shape", [(3, 6, 10, 14, 3), (4, 6, 14, 10, 3), (4, 10, 14, 3), (4, 0, 10, 14, 3), (1,) * 5]
)
@pytest.mark.usefixtures("unchecked")
def test_noise_that_does_not_fit_the_images_is_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"draws has shape {re.escape(str(shape))} .*noise_draws"):
        FROM_DRAWS[name](attr.saliency, squares, IMAGES, 1, np.zeros(shape, np.float32))


@both
@pytest.mark.parametrize("chunk", [1, 4, 9])
def test_the_chunk_changes_nothing(chunk: int, name: str, network: Model) -> None:
    parts = explain(name, attr.saliency, network, TARGETS, chunk=chunk)
    whole = explain(name, attr.saliency, network, TARGETS)
    np.testing.assert_allclose(parts, whole, atol=1e-6 * np.abs(whole).max())


@both
def test_the_model_is_called_once_for_each_chunk(name: str, network: Model) -> None:
    calls = []

    def watched(images: jax.Array) -> jax.Array:
        calls.append(images.shape)
        return network(images)

    for chunk, count in ((None, 1), (4, 2), (1, 6)):
        calls.clear()
        jax.eval_shape(compiled(name, attr.saliency, watched, chunk), IMAGES, NOISE, 1)
        assert calls == [IMAGES.shape] * count


@both
def test_chunks_bound_memory(name: str) -> None:
    def memory(chunk: int | None) -> int:
        from_draws = partial(FROM_DRAWS[name], attr.saliency, cases.wide, targets=0, chunk=chunk)
        noise = jax.ShapeDtypeStruct((4, 16, *cases.LARGE.shape[1:]), jnp.float32)
        compiled = jax.jit(from_draws).lower(images=cases.LARGE, draws=noise).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert memory(2) < memory(None) / 4


def test_noise_is_normal_in_the_images_unit() -> None:
    noise = np.array(draw(KEY, samples=300))
    assert noise.shape == (4, 300, *IMAGES.shape[1:])
    assert stats.kstest(noise[:, :, 3, 5].ravel() / 0.2, "norm").pvalue > 0.001
    assert len(np.unique(noise)) > 0.9 * noise.size
    between = np.corrcoef([noise[0, :, 0, 0, 0], noise[1, :, 0, 0, 0], noise[0, :, 0, 1, 0]])
    assert np.abs(between - np.eye(3)).max() < 0.2


def test_a_draw_depends_on_its_images_key_and_its_number_alone() -> None:
    order = np.array([2, 0, 3])
    np.testing.assert_array_equal(draw(KEYS[order], IMAGES[order]), draw(KEYS)[order])
    np.testing.assert_array_equal(draw(KEYS), draw(KEYS, samples=300)[:, :5])
    assert np.isin(draw(KEY), draw(KEYS)).mean() < 0.01


def test_one_key_stands_for_a_key_folded_with_each_images_place() -> None:
    folded = jnp.stack([jax.random.fold_in(KEY, place) for place in range(4)])
    np.testing.assert_array_equal(draw(folded), draw(KEY))


@both
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "samples is 0: give at least 1"),
        ({"stdev": -0.1}, "stdev is -0.1: give 0 or more"),
        ({"chunk": 0}, "chunk is 0: give at least 1"),
        ({"key": KEYS[:3]}, r"key has shape \(3,\) for 4 images"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_that_make_no_sense_are_refused(
    settings: dict[str, object], message: str, name: str
) -> None:
    settings = {"key": KEY} | settings
    with pytest.raises(ValueError, match=message):
        WRAPPERS[name](attr.saliency)(squares, IMAGES, 1, **settings)
