from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxens import attribution as attr
from jaxens.targets import Model
from tests.attribution import cnn

pytestmark = pytest.mark.slow

IMAGES = cnn.sample_images(4)
BASELINES = cnn.sample_images(3, seed=1)
WEIGHTS = np.random.default_rng(2).normal(size=(10, 14, 3, 5)).astype(np.float32)
KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, len(IMAGES))


@partial(jax.jit, static_argnames=("samples", "stdev"))
def draw(
    key: jax.Array, images: np.ndarray = IMAGES, *, samples: int = 5, stdev: float = 0.2
) -> attr.ShapDraws:
    return attr.shap_draws(key, images, len(BASELINES), samples, stdev)


def linear(images: jax.Array) -> jax.Array:
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


@jax.jit
def shap_of_linear(key: jax.Array) -> jax.Array:
    return attr.gradient_shap(linear, IMAGES, 1, key=key, baselines=BASELINES, stdev=0.2)


def test_a_linear_model_gives_the_mean_difference_from_the_drawn_baselines() -> None:
    draws = draw(KEY)
    difference = IMAGES[:, None] + draws.noise - BASELINES[draws.baseline]
    expected = difference.mean(axis=1) * WEIGHTS[None, ..., 1]
    maps = shap_of_linear(KEY)
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_one_sample_at_the_image_from_a_zero_baseline_is_input_x_gradient(network: Model) -> None:
    at_the_image = attr.ShapDraws(
        baseline=jnp.zeros((4, 1), int),
        alpha=jnp.ones((4, 1)),
        noise=jnp.zeros((4, 1, 1, 1, 1)),
    )
    explain = jax.jit(partial(attr.shap_from_draws, network))
    maps = explain(IMAGES, 1, 0 * BASELINES, at_the_image)
    expected = jax.jit(partial(attr.input_x_gradient, network))(IMAGES, 1)
    np.testing.assert_allclose(maps, expected, atol=1e-6)


def test_baselines_noise_and_places_on_the_line_are_used_as_drawn() -> None:
    """On a sum of squares the gradient is twice the point."""
    draws = draw(KEY)
    maps = attr.shap_from_draws(
        lambda images: (images**2).sum(axis=(1, 2)), IMAGES, 2, BASELINES, draws
    )
    start, alpha = BASELINES[draws.baseline], np.array(draws.alpha)[..., None, None, None]
    end = IMAGES[:, None] + draws.noise
    point = alpha * end + (1 - alpha) * start
    expected = ((end - start) * 2 * point).mean(axis=1)
    np.testing.assert_allclose(maps[..., 2], expected[..., 2], atol=1e-5)
    assert not maps[..., :2].any()


def test_draws_follow_their_distributions() -> None:
    draws = draw(KEY, samples=500)
    assert draws.baseline.shape == draws.alpha.shape == (4, 500)
    counts = np.bincount(np.ravel(draws.baseline), minlength=3)
    assert stats.chisquare(counts).pvalue > 0.001
    assert stats.kstest(np.ravel(draws.alpha), "uniform").pvalue > 0.001
    noise = np.ravel(draws.noise[:, :, 0, 0])
    assert stats.kstest(noise / 0.2, "norm").pvalue > 0.001
    together = np.corrcoef([draws.alpha[0], draws.baseline[0], draws.noise[0, :, 0, 0, 0]])
    assert np.abs(together - np.eye(3)).max() < 0.15


def test_every_image_and_sample_draws_anew() -> None:
    draws = draw(KEY)
    assert len(np.unique(draws.alpha)) == draws.alpha.size
    assert len(np.unique(draws.noise)) > 0.99 * draws.noise.size


def test_the_same_key_draws_the_same_and_another_key_anew() -> None:
    np.testing.assert_array_equal(draw(KEY).alpha, draw(KEY).alpha)
    other = draw(jax.random.key(1)).alpha
    assert not np.isin(other, draw(KEY).alpha).any()


def test_without_noise_none_is_held() -> None:
    draws = draw(KEY, stdev=0.0)
    assert draws.noise.size == draws.alpha.size
    assert not draws.noise.any()


def test_with_a_key_per_image_neither_order_nor_batch_changes_a_draw() -> None:
    together = draw(KEYS)
    order = np.array([2, 0, 3])
    apart = draw(KEYS[order], IMAGES[order])
    for some, every in zip(apart, together, strict=True):
        np.testing.assert_array_equal(some, every[order])


def test_one_key_stands_for_a_key_folded_with_each_images_place() -> None:
    folded = jnp.stack([jax.random.fold_in(KEY, place) for place in range(4)])
    np.testing.assert_array_equal(draw(folded).alpha, draw(KEY).alpha)


def test_more_samples_keep_the_earlier_ones() -> None:
    for few, many in zip(draw(KEY), draw(KEY, samples=500), strict=True):
        np.testing.assert_array_equal(few, many[:, :5])


def test_raw_keys_draw_as_typed_ones() -> None:
    for key in (KEY, KEYS):
        raw = draw(jax.random.key_data(key))
        np.testing.assert_array_equal(raw.alpha, draw(key).alpha)


@pytest.mark.parametrize("chunk", [1, 3, 5, 9])
def test_the_chunk_changes_nothing(network: Model, chunk: int) -> None:
    draws = draw(KEY)

    @partial(jax.jit, static_argnames="chunk")
    def explain(images: np.ndarray, chunk: int | None = None) -> jax.Array:
        return attr.shap_from_draws(network, images, 1, BASELINES, draws, chunk)

    np.testing.assert_allclose(explain(IMAGES, chunk), explain(IMAGES), atol=1e-6)


def test_given_draws_of_a_baseline_that_does_not_exist_give_nan() -> None:
    draws = draw(KEY)
    wrong = draws._replace(baseline=draws.baseline.at[1, 0].set(3))
    maps = np.array(attr.shap_from_draws(linear, IMAGES, 1, BASELINES, wrong))
    assert np.isnan(maps[1]).all()
    assert np.isfinite(maps[[0, 2, 3]]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "samples is 0: give at least 1"),
        ({"stdev": -0.1}, "stdev is -0.1: give 0 or more"),
        ({"baselines": BASELINES[:0]}, "give at least one image to draw from"),
        ({"baselines": BASELINES[:, :5]}, r"baselines has shape \(3, 5, 14, 3\)"),
        ({"baselines": BASELINES[0]}, r"baselines has shape \(10, 14, 3\)"),
        ({"baselines": np.full_like(BASELINES, np.nan)}, "baselines contains NaN or infinity"),
        ({"key": KEYS[:3]}, r"key has shape \(3,\) for 4 images: give one key, or one for each"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    settings = {"key": KEY, "baselines": BASELINES} | settings
    with pytest.raises(ValueError, match=message):
        attr.gradient_shap(linear, IMAGES, 1, **settings)  # type: ignore[arg-type]


DRAWS = attr.ShapDraws(np.zeros((4, 2), int), np.ones((4, 2)), np.zeros((4, 2, 1, 1, 1)))


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        (DRAWS._replace(alpha=np.ones((3, 2))), r"draws\.alpha has shape \(3, 2\) for 4 images"),
        (DRAWS._replace(alpha=np.ones((4, 0))), r"at least one sample for each"),
        (DRAWS._replace(alpha=np.ones(4)), r"draws\.alpha has shape \(4,\)"),
        (DRAWS._replace(baseline=np.zeros((4, 3), int)), r"draws\.baseline has shape \(4, 3\)"),
        (
            DRAWS._replace(noise=np.zeros((4, 2))),
            r"draws\.noise has shape \(4, 2\): give \(4, 2, 10",
        ),
        (
            DRAWS._replace(noise=np.zeros((4, 1, 10, 14, 3))),
            r"or \(4, 2, 1, 1, 1\) where it is zero",
        ),
    ],
)
def test_draws_that_do_not_fit_the_images_are_refused(draws: attr.ShapDraws, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attr.shap_from_draws(linear, IMAGES, 1, BASELINES, draws)


@pytest.mark.usefixtures("unchecked")
def test_given_baselines_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"baselines has shape \(3, 5, 14, 3\)"):
        attr.shap_from_draws(linear, IMAGES, 1, BASELINES[:, :5], DRAWS)
