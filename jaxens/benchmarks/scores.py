"""Scores of members' maps and of their mean, beside the same in NumPy and SciPy."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jax import Array
from jaxtyping import Bool, Float

from jaxens import metrics
from jaxens.benchmarks.results import JAXENS, Results, Row, beside_fastest, times_as_fast
from jaxens.benchmarks.rounds import in_turn

PROTOCOL = metrics.Protocol(metrics=("iou", "correlation", "distance"))
GRID = PROTOCOL.correlation_size


class Material(NamedTuple):
    """Maps that speak for and against a class, and what people marked."""

    maps: Float[np.ndarray, "member image height width"]
    masks: Bool[np.ndarray, "image height width"]
    points: Float[np.ndarray, "image 2"]


def scores(
    maps: int = 1000, members: int = 11, image_size: int = 224, rounds: int = 5
) -> list[Results]:
    """IoU, correlation and centre of mass of members' maps and their mean."""
    given = material(max(1, round(maps / members)), members, image_size)
    sides: dict[str, Callable[[], object]] = {
        JAXENS: partial(ours, jax.tree.map(jnp.asarray, given)),
        "NumPy and SciPy, a map after another": partial(plain, given),
        "NumPy, all maps at once": partial(plain_at_once, given),
    }
    timed = in_turn(sides, rounds)
    count = given.maps.shape[0] * given.maps.shape[1]
    return [
        Results(
            f"IoU, correlation and distance of {count} maps of {image_size} px, {members} members "
            "and their mean",
            "maps",
            beside_fastest(timed),
            [
                Row(
                    "scores",
                    by,
                    each,
                    items=count,
                    compiling=each.compiling if by == JAXENS else None,
                    ratio=times_as_fast(timed, by),
                )
                for by, each in timed.items()
            ],
            ("All sides in float32; the mean maps are scored too, and not counted",),
        )
    ]


def material(images: int, members: int, size: int) -> Material:
    """Noise that members partly share, an ellipse for a mask, its centre for a key point."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, (images, size, size))
    maps = (shared + rng.normal(0, 1, (members, images, size, size))).astype(np.float32)
    points = rng.uniform(0.3, 0.7, (images, 2)).astype(np.float32)
    radii = rng.uniform(0.05, 0.25, (images, 2))
    x, y = np.meshgrid(*((np.arange(size) + 0.5) / size,) * 2)
    place = np.stack([x, y], axis=-1)
    inside = ((place - points[:, None, None]) / radii[:, None, None]) ** 2
    return Material(maps, inside.sum(axis=-1) <= 1, points)


@jax.jit
def ours(given: Material) -> dict[str, Float[Array, "one_more image"]]:
    """The members' scores, and behind them those of their mean."""
    each, mean = metrics.score_members(*given, PROTOCOL, signed=True)
    return {name: jnp.concatenate([each[name], mean[name][None]]) for name in each}


def plain(given: Material) -> dict[str, Float[np.ndarray, "one_more image"]]:
    """As somebody would write it who has maps in NumPy."""
    maps = np.concatenate([given.maps, given.maps.mean(axis=0)[None]])
    found = {name: np.empty(maps.shape[:2], np.float32) for name in PROTOCOL.metrics}
    for i, (mask, point) in enumerate(zip(given.masks, given.points, strict=True)):
        marked = _blocks(mask).ravel()
        for k, map in enumerate(maps[:, i]):
            if not np.isfinite(map).all() or np.ptp(map) == 0:
                for values in found.values():
                    values[k, i] = np.nan
                continue
            region = map / np.abs(map).max() >= PROTOCOL.threshold
            found["iou"][k, i] = np.sum(region & mask) / np.sum(region | mask)
            found["correlation"][k, i] = np.corrcoef(_blocks(map).ravel(), marked)[0, 1]
            row, column = scipy.ndimage.center_of_mass(np.maximum(map, 0))
            height, width = map.shape
            center = (column + 0.5) / width, (row + 0.5) / height
            found["distance"][k, i] = np.hypot(*(center - point))
    return found


def plain_at_once(given: Material) -> dict[str, Float[np.ndarray, "one_more image"]]:
    """Without a loop over maps."""
    maps = np.concatenate([given.maps, given.maps.mean(axis=0)[None]])
    height, width = maps.shape[-2:]
    pixels = (-2, -1)
    scored = np.isfinite(maps).all(axis=pixels) & (np.ptp(maps, axis=pixels) > 0)
    region = maps / np.abs(maps).max(axis=pixels, keepdims=True) >= PROTOCOL.threshold
    iou = (region & given.masks).sum(axis=pixels) / (region | given.masks).sum(axis=pixels)
    a, b = _blocks(maps), _blocks(given.masks)
    a, b = (cells - cells.mean(axis=pixels, keepdims=True) for cells in (a, b))
    norms = np.sqrt((a**2).sum(axis=pixels) * (b**2).sum(axis=pixels))
    weights = np.maximum(maps, 0)
    total = weights.sum(axis=pixels)
    x = weights.sum(axis=-2) @ ((np.arange(width) + 0.5) / width) / total
    y = weights.sum(axis=-1) @ ((np.arange(height) + 0.5) / height) / total
    found = {
        "iou": iou,
        "correlation": (a * b).sum(axis=pixels) / norms,
        "distance": np.hypot(x - given.points[:, 0], y - given.points[:, 1]),
    }
    return {name: np.where(scored, values, np.nan) for name, values in found.items()}


def _blocks(map: Float[np.ndarray, "*lead height width"]) -> Float[np.ndarray, "*lead g g"]:
    *lead, height, width = map.shape
    return map.reshape(*lead, GRID, height // GRID, GRID, width // GRID).mean(axis=(-3, -1))
