"""What holds for every method; a method that joins the table is enrolled."""

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from tests.reference import twins

IMAGES = twins.sample_images(3)
BACKGROUND = twins.sample_images(2, seed=1)
TARGETS = np.array([2, 0, 4])
MEMBERS = [twins.params_of(twins.TorchNet(seed=seed)) for seed in range(3)]
KEYS = jax.random.split(jax.random.key(0), len(IMAGES))


@cache
def compiled(method: str, settings: frozenset[tuple[str, object]]) -> Callable[..., jax.Array]:
    def explain(
        params: twins.Params, images: jax.Array, targets: jax.Array, keys: jax.Array
    ) -> jax.Array:
        return attr.explain(
            method,
            partial(twins.features, params),
            partial(twins.head, params),
            images,
            targets,
            key=keys,
            background=BACKGROUND,
            **dict(settings),  # type: ignore[arg-type]
        )

    return jax.jit(explain)


def explain(
    method: str,
    params: twins.Params,
    images: np.ndarray = IMAGES,
    targets: np.ndarray = TARGETS,
    keys: jax.Array = KEYS,
    **settings: object,
) -> jax.Array:
    settings = {"steps": 4} | settings
    return compiled(method, frozenset(settings.items()))(params, images, targets, keys)


every_method = pytest.mark.parametrize("method", attr.METHODS)


@every_method
def test_vmap_over_members_is_a_loop_over_members(method: str) -> None:
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *MEMBERS)
    maps = jax.jit(jax.vmap(partial(explain, method)))(stacked)
    assert maps.shape == (3, *IMAGES.shape[:3])
    for member, params in enumerate(MEMBERS):
        one = explain(method, params)
        np.testing.assert_allclose(maps[member], one, atol=1e-5 * np.abs(one).max())
    assert not np.allclose(maps[0], maps[1])


@every_method
def test_an_ensemble_of_one_is_its_member(method: str) -> None:
    alone = jax.tree.map(lambda leaf: leaf[None], MEMBERS[0])
    maps = jax.vmap(partial(explain, method))(alone)
    one = explain(method, MEMBERS[0])
    np.testing.assert_allclose(maps, one[None], atol=1e-5 * np.abs(one).max())


@every_method
def test_a_map_is_signed_as_its_method_says(method: str) -> None:
    maps = explain(method, MEMBERS[0])
    assert maps.max() > 0
    assert (maps.min() < 0) == attr.METHODS[method].signed


@every_method
def test_no_map_is_normalised(method: str) -> None:
    """A model with logits twice as large has maps twice as large."""
    doubled = MEMBERS[0] | {name: 2 * MEMBERS[0][name] for name in ("kernel3", "bias3")}
    one = explain(method, MEMBERS[0])
    np.testing.assert_allclose(explain(method, doubled), 2 * one, atol=1e-5 * np.abs(one).max())


@every_method
def test_an_image_is_explained_alike_alone_and_among_others(method: str) -> None:
    together = explain(method, MEMBERS[0])
    alone = explain(method, MEMBERS[0], IMAGES[1:2], TARGETS[1:2], KEYS[1:2])
    np.testing.assert_allclose(alone, together[1:2], atol=1e-5 * np.abs(alone).max())


def test_channels_are_reduced_and_settings_reach_their_method() -> None:
    model = partial(twins.logits, MEMBERS[0])
    settings = {
        "integrated_gradients": {"baselines": 1.0, "steps": 3, "quadrature": "riemann_left"},
        "gradient_shap": {"samples": 2, "stdev": 0.1},
    }

    @jax.jit
    def by_hand(images: jax.Array, keys: jax.Array) -> dict[str, jax.Array]:
        integrated = partial(attr.integrated_gradients, **settings["integrated_gradients"])
        shap = partial(attr.gradient_shap, key=keys, baselines=BACKGROUND)
        return {
            "saliency": attr.saliency(model, images, TARGETS).max(-1),
            "input_x_gradient": attr.input_x_gradient(model, images, TARGETS).sum(-1),
            "integrated_gradients": integrated(model, images, TARGETS).sum(-1),
            "gradient_shap": shap(model, images, TARGETS, **settings["gradient_shap"]).sum(-1),
        }

    every_setting = settings["integrated_gradients"] | settings["gradient_shap"] | {"chunk": 1}
    for method, expected in by_hand(IMAGES, KEYS).items():
        maps = explain(method, MEMBERS[0], **every_setting)
        np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_grad_cam_is_resized_bilinearly() -> None:
    halves = (partial(twins.features, MEMBERS[0]), partial(twins.head, MEMBERS[0]))
    coarse = attr.grad_cam(*halves, IMAGES, TARGETS)
    assert coarse.shape == (3, 3, 4)
    expected = attr.resize(coarse, (10, 14), "bilinear")
    np.testing.assert_allclose(explain("grad_cam", MEMBERS[0]), expected, atol=1e-6)


def test_unknown_methods_and_missing_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown method 'lrp': choose from saliency, input_x"):
        explain("lrp", MEMBERS[0])
    for given in ({"key": KEYS}, {"background": BACKGROUND}):
        with pytest.raises(ValueError, match="gradient_shap needs a key and a background"):
            attr.explain("gradient_shap", abs, abs, IMAGES, TARGETS, **given)
