"""Scores of members' maps and of their mean map, next to NumPy and SciPy."""

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
from jaxens.benchmarks.options import Scores
from jaxens.benchmarks.results import JAXENS, Results, Row, ratio_to_fastest, times_as_fast
from jaxens.benchmarks.rounds import in_turn

PROTOCOL = metrics.Protocol(metrics=("iou", "correlation", "distance"))
GRID = PROTOCOL.correlation_size


class Inputs(NamedTuple):
    """Signed maps, and the truth that they are compared with."""

    maps: Float[np.ndarray, "member image height width"]
    masks: Bool[np.ndarray, "image height width"]
    points: Float[np.ndarray, "image 2"]


def scores(options: Scores) -> list[Results]:
    """Measures IoU, correlation and distance of members' maps and of their mean map."""
    members, image_size = options.members, options.image_size
    inputs = make_inputs(max(1, round(options.maps / members)), members, image_size)
    sides: dict[str, Callable[[], object]] = {
        JAXENS: partial(jaxens_scores, jax.tree.map(jnp.asarray, inputs)),
        "NumPy and SciPy, map by map": partial(scores_by_map, inputs),
        "NumPy, all maps at once": partial(scores_at_once, inputs),
    }
    timed = in_turn(sides, options.rounds)
    count = inputs.maps.shape[0] * inputs.maps.shape[1]
    return [
        Results(
            f"IoU, correlation and distance of {count} maps of {image_size} px, {members} members "
            "and their mean",
            "maps",
            ratio_to_fastest(timed),
            [
                Row(
                    "scores",
                    by,
                    times,
                    items=count,
                    compiling=times.compiling if by == JAXENS else None,
                    ratio=times_as_fast(timed, by),
                )
                for by, times in timed.items()
            ],
            ("All in float32; the mean maps are scored too, but not counted",),
        )
    ]


def make_inputs(images: int, members: int, size: int) -> Inputs:
    """Maps of noise that members partly share; ellipses as masks, their centers as key points."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, (images, size, size))
    maps = (shared + rng.normal(0, 1, (members, images, size, size))).astype(np.float32)
    points = rng.uniform(0.3, 0.7, (images, 2)).astype(np.float32)
    radii = rng.uniform(0.05, 0.25, (images, 2))
    x, y = np.meshgrid(*((np.arange(size) + 0.5) / size,) * 2)
    place = np.stack([x, y], axis=-1)
    inside = ((place - points[:, None, None]) / radii[:, None, None]) ** 2
    return Inputs(maps, inside.sum(axis=-1) <= 1, points)


@jax.jit
def jaxens_scores(inputs: Inputs) -> dict[str, Float[Array, "member_and_mean image"]]:
    """Returns the members' scores, followed by those of their mean map."""
    of_members = metrics.score(*inputs, PROTOCOL, signed=True)
    mean_map = metrics.mean_map(inputs.maps)
    of_mean = metrics.score(mean_map, inputs.masks, inputs.points, PROTOCOL, signed=True)
    return {name: jnp.concatenate([of_members[name], of_mean[name][None]]) for name in of_members}


def scores_by_map(inputs: Inputs) -> dict[str, Float[np.ndarray, "member_and_mean image"]]:
    """Returns the same as straightforward NumPy and SciPy code."""
    maps = np.concatenate([inputs.maps, inputs.maps.mean(axis=0)[None]])
    results = {name: np.empty(maps.shape[:2], np.float32) for name in PROTOCOL.metrics}
    for i, (mask, point) in enumerate(zip(inputs.masks, inputs.points, strict=True)):
        mask_blocks = _blocks(mask).ravel()
        for k, map in enumerate(maps[:, i]):
            if not np.isfinite(map).all() or np.ptp(map) == 0:
                for values in results.values():
                    values[k, i] = np.nan
                continue
            region = map / np.abs(map).max() >= PROTOCOL.threshold
            results["iou"][k, i] = np.sum(region & mask) / np.sum(region | mask)
            results["correlation"][k, i] = np.corrcoef(_blocks(map).ravel(), mask_blocks)[0, 1]
            row, column = scipy.ndimage.center_of_mass(np.maximum(map, 0))
            height, width = map.shape
            center = (column + 0.5) / width, (row + 0.5) / height
            results["distance"][k, i] = np.hypot(*(center - point))
    return results


def scores_at_once(inputs: Inputs) -> dict[str, Float[np.ndarray, "member_and_mean image"]]:
    """Returns the same in NumPy, without a loop over maps."""
    maps = np.concatenate([inputs.maps, inputs.maps.mean(axis=0)[None]])
    height, width = maps.shape[-2:]
    pixels = (-2, -1)
    scored = np.isfinite(maps).all(axis=pixels) & (np.ptp(maps, axis=pixels) > 0)
    region = maps / np.abs(maps).max(axis=pixels, keepdims=True) >= PROTOCOL.threshold
    iou = (region & inputs.masks).sum(axis=pixels) / (region | inputs.masks).sum(axis=pixels)
    a, b = _blocks(maps), _blocks(inputs.masks)
    a, b = (cells - cells.mean(axis=pixels, keepdims=True) for cells in (a, b))
    norms = np.sqrt((a**2).sum(axis=pixels) * (b**2).sum(axis=pixels))
    weights = np.maximum(maps, 0)
    total = weights.sum(axis=pixels)
    x = weights.sum(axis=-2) @ ((np.arange(width) + 0.5) / width) / total
    y = weights.sum(axis=-1) @ ((np.arange(height) + 0.5) / height) / total
    results = {
        "iou": iou,
        "correlation": (a * b).sum(axis=pixels) / norms,
        "distance": np.hypot(x - inputs.points[:, 0], y - inputs.points[:, 1]),
    }
    return {name: np.where(scored, values, np.nan) for name, values in results.items()}


def _blocks(map: Float[np.ndarray, "*lead height width"]) -> Float[np.ndarray, "*lead g g"]:
    *lead, height, width = map.shape
    return map.reshape(*lead, GRID, height // GRID, GRID, width // GRID).mean(axis=(-3, -1))
