"""Images that are sharded over a mesh as `jax.make_mesh` makes it by default: Explicit axes."""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxens import attribution as attr
from jaxens import metrics
from tests.attribution import cases
from tests.metrics.cases import random_map, random_mask

IMAGES = np.concatenate([cases.IMAGES, -cases.IMAGES[:1]])
TARGETS = np.array([2, 0, 4, 1])
PARAMS = cases.MEMBERS[0]
KEYS = jax.random.split(jax.random.key(0), 4)
MAPS = random_map((10, 14), 3, 4, signed=True)
MASKS = random_mask((10, 14), 4)
POINTS = np.full((4, 2), 0.3, np.float32)
LABELS = np.array([0, 1, 1, -1])
EVERY = metrics.Protocol(metrics=tuple(metrics.METRICS), correlation_size=7)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return jax.make_mesh((2,), ("data",), devices=jax.devices()[:2])


def explain(method: str, images: jax.Array, **given: object) -> jax.Array:
    settings = cases.settings(method, KEYS, len(IMAGES)) | given
    return attr.attribute(method, cases.network(PARAMS), images, TARGETS, **settings)


def curve(which: Callable[..., metrics.Perturbation], images: jax.Array) -> metrics.Perturbation:
    model = cases.network(PARAMS).logits_fn
    return which(model, images, images.sum(axis=-1), TARGETS, steps=3, chunk=2)


OF_IMAGES: dict[str, Callable[[jax.Array], object]] = {
    **{method: partial(explain, method) for method in attr.METHODS},
    "integrated_gradients in chunks": partial(explain, "integrated_gradients", chunk=3),
    "lime by captum": partial(explain, "lime", variant="captum"),
    "insertion": partial(curve, metrics.insertion),
    "deletion": partial(curve, metrics.deletion),
}
OF_MAPS: dict[str, Callable[[jax.Array], object]] = {
    "score": lambda maps: metrics.score(maps, MASKS, POINTS, EVERY, signed=True),
    "threshold_curves": lambda maps: metrics.threshold_curves(maps, MASKS, signed=True),
    "scores_by_size": lambda maps: metrics.scores_by_size(
        maps, MASKS, POINTS, metrics.member_orders(3, 3), EVERY, signed=True
    ),
    "mean_map": metrics.mean_map,
    "mean_of_finite": metrics.mean_of_finite,
    "mean_of_normalized": lambda maps: metrics.mean_of_normalized(maps, signed=True),
    "spread": metrics.spread,
    "agreement": metrics.agreement,
    "spearman": lambda maps: metrics.spearman(maps, maps**2),
    "accuracy": lambda maps: metrics.accuracy(maps[:, :, 0], LABELS),
    "auc": lambda maps: metrics.auc(maps[:, :, 0, 0], LABELS),
    "mean_auc": lambda maps: metrics.mean_auc(maps[:, :, 0], MASKS[:, 0].astype(np.int32)),
}


@pytest.mark.parametrize("function", OF_IMAGES.values(), ids=OF_IMAGES)
def test_methods_take_sharded_images(function: Callable, mesh: Mesh) -> None:
    """Types show when a function is traced; so do shardings."""
    images = jax.device_put(IMAGES, NamedSharding(mesh, PartitionSpec("data")))
    jax.jit(function).trace(images)


@pytest.mark.parametrize("function", OF_MAPS.values(), ids=OF_MAPS)
def test_metrics_take_sharded_maps(function: Callable, mesh: Mesh) -> None:
    maps = jax.device_put(MAPS, NamedSharding(mesh, PartitionSpec(None, "data")))
    jax.jit(function).trace(maps)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["integrated_gradients", "smooth_grad"])
def test_maps_and_scores_of_sharded_images_are_the_same(method: str, mesh: Mesh) -> None:
    def scores(images: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        maps = explain(method, images)
        return maps, metrics.score(maps, MASKS, POINTS, EVERY, signed=True)

    sharding = NamedSharding(mesh, PartitionSpec("data"))
    maps, ours = jax.jit(scores)(jax.device_put(IMAGES, sharding))
    assert maps.sharding.is_equivalent_to(sharding, maps.ndim)
    expected, theirs = jax.jit(scores)(IMAGES)
    np.testing.assert_allclose(maps, expected, atol=1e-5 * np.abs(expected).max())
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-3, err_msg=name)
