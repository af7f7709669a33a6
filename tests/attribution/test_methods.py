"""What holds for every method; a method that joins the table is enrolled."""

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from tests.attribution import cases
from tests.reference import twins

IMAGES = twins.sample_images(3)
TARGETS = np.array([2, 0, 4])
MEMBERS = [twins.params_of(twins.TorchNet(seed=seed)) for seed in range(3)]
KEYS = jax.random.split(jax.random.key(0), len(IMAGES))


@cache
def compiled(method: str, given: frozenset[tuple[str, object]]) -> Callable[..., jax.Array]:
    def explain(
        params: twins.Params, images: jax.Array, targets: jax.Array, keys: jax.Array
    ) -> jax.Array:
        settings = cases.settings(method, keys, len(images)) | dict(given)
        return attr.explain(method, cases.network(params), images, targets, **settings)

    return jax.jit(explain)


def explain(
    method: str,
    params: twins.Params,
    images: np.ndarray = IMAGES,
    targets: np.ndarray = TARGETS,
    keys: jax.Array = KEYS,
    **given: object,
) -> jax.Array:
    return compiled(method, frozenset(given.items()))(params, images, targets, keys)


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
    """Logits twice as large give maps twice as large; a square or a product, four times."""
    doubled = MEMBERS[0] | {name: 2 * MEMBERS[0][name] for name in ("kernel3", "bias3")}
    given = {"form": "captum"} if method == "lime" else {}  # explains logits, but by a lasso
    one, two = explain(method, MEMBERS[0], **given), explain(method, doubled, **given)
    if method == "lime":
        assert np.abs(two).max() > 2 * np.abs(one).max()
    else:
        factor = 4 if method in ("var_grad", "guided_grad_cam") else 2
        np.testing.assert_allclose(two, factor * one, atol=1e-5 * np.abs(one).max())


@every_method
def test_an_image_is_explained_alike_alone_and_among_others(method: str) -> None:
    together = explain(method, MEMBERS[0])
    alone = explain(method, MEMBERS[0], IMAGES[1:2], TARGETS[1:2], KEYS[1:2])
    np.testing.assert_allclose(alone, together[1:2], atol=1e-5 * np.abs(alone).max())


@every_method
def test_a_map_is_the_methods_own_with_its_channels_reduced(method: str) -> None:
    """`explain` adds no more than the reduction and the size."""
    row, network = attr.METHODS[method], cases.network(MEMBERS[0])

    @jax.jit
    def by_hand(images: jax.Array, keys: jax.Array) -> jax.Array:
        model = [getattr(network, name) for name in row.needs]
        return row.function(*model, images, TARGETS, **cases.settings(method, keys, len(images)))

    own = by_hand(IMAGES, KEYS)
    for reduce in [None, *attr.REDUCTIONS] if row.reduce else [None]:
        reduced = attr.REDUCTIONS[reduce or row.reduce](own) if row.reduce else own
        given = {"reduce": reduce} if reduce else {}
        expected = attr.resize(reduced, (10, 14))
        maps = explain(method, MEMBERS[0], **given)
        np.testing.assert_allclose(maps, expected, atol=1e-5 * np.abs(expected).max())


def test_settings_reach_their_method() -> None:
    model = partial(twins.logits, MEMBERS[0])
    given = {"baselines": 1.0, "steps": 3, "quadrature": "riemann_left", "chunk": 1}
    expected = attr.integrated_gradients(model, IMAGES, TARGETS, **given).sum(-1)
    maps = explain("integrated_gradients", MEMBERS[0], **given)
    np.testing.assert_allclose(maps, expected, atol=1e-5)


@every_method
def test_the_table_tells_what_a_method_takes(method: str) -> None:
    row = attr.METHODS[method]
    assert set(row.needs) <= set(attr.Network._fields)
    assert row.needs
    assert set(row.per_image) <= set(row.settings)
    assert row.reduce is None or row.reduce in attr.REDUCTIONS
    assert row.title
    assert row.source


def test_grad_cam_is_resized_bilinearly() -> None:
    halves = (partial(twins.features, MEMBERS[0]), partial(twins.head, MEMBERS[0]))
    coarse = attr.grad_cam(*halves, IMAGES, TARGETS)
    assert coarse.shape == (3, 3, 4)
    expected = attr.resize(coarse, (10, 14), "bilinear")
    np.testing.assert_allclose(explain("grad_cam", MEMBERS[0]), expected, atol=1e-6)


def test_mistakes_are_named_with_their_remedy() -> None:
    network = cases.network(MEMBERS[0])

    def refused(match: str, method: str, network: attr.Network = network, **given: object) -> None:
        with pytest.raises(ValueError, match=match):
            attr.explain(method, network, IMAGES, TARGETS, **given)

    refused("unknown method 'lrp': choose from saliency, input_x", "lrp")
    refused("gradient_shap needs key and baselines", "gradient_shap")
    refused("lime needs segments", "lime", key=KEYS)
    refused("saliency has no setting steps: it takes none", "saliency", steps=3)
    refused("no setting samples: it takes baselines", "integrated_gradients", samples=3)
    refused("unknown reduction 'mean': choose from sum", "saliency", reduce="mean")
    refused("grad_cam has no channels to reduce", "grad_cam", reduce="sum")
    only_logits = attr.Network(logits_fn=network.logits_fn)
    refused("grad_cam needs features_fn, head_fn", "grad_cam", only_logits)
    refused("guided_backprop needs guided_logits_fn", "guided_backprop", only_logits)
