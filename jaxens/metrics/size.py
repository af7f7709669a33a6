"""Scores against the ensemble's size, for all sizes at once from one set of maps."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Integer, Num

from jaxens.metrics.inputs import ArrayLike, Mask, as_float
from jaxens.metrics.protocol import Protocol, score

RESAMPLES = 1000


class Curve(NamedTuple):
    """A mean score for each size of the ensemble, 1 up to all members, and its 95 % band."""

    mean: Float[np.ndarray, " size"]
    low: Float[np.ndarray, " size"]
    high: Float[np.ndarray, " size"]
    images: int  # that have a score at every size and in every order


def member_orders(members: int, orders: int, seed: int = 0) -> Integer[np.ndarray, "order member"]:
    """Orders in which members join, drawn at random; the first k of one are its ensemble of k.

    They come in rotations of a permutation, so that after `members` orders each member has
    been first once, and so on for every place.

    **Raises:** `ValueError` if members or orders are less than one.
    """
    if members < 1:
        raise ValueError(f"members is {members}: give at least 1")
    if orders < 1:
        raise ValueError(f"orders is {orders}: give at least 1")
    draw = np.random.default_rng(seed)
    turns: list[np.ndarray] = []
    while len(turns) < orders:
        permutation = draw.permutation(members)
        turns += [np.roll(permutation, k) for k in range(members)]
    return np.stack(turns[:orders])


def scores_by_size(
    maps: Num[ArrayLike, "member *lead height width"],
    mask: Mask | None,
    point: Float[ArrayLike, "*#lead 2"] | None,
    orders: Integer[ArrayLike, "order _member"],
    protocol: Protocol,
    *,
    signed: bool,
) -> dict[str, Float[Array, "order size *lead"]]:
    """The scores of the mean map of an order's first k members, for each k, order and metric.

    The last size is the whole ensemble, alike in every order.

    Pazzani et al. 2022, Figure 5.

    **Raises:** `ValueError` if an order does not hold each member once (the values of traced
    orders are not known, and not looked at), and as `score` does.
    """
    _check_orders(orders, maps.shape[0])
    return _scores_by_size(maps, mask, point, orders, protocol, signed=signed)


def _check_orders(orders: ArrayLike, members: int) -> None:
    if orders.ndim != 2 or not len(orders) or orders.shape[1] != members:
        raise ValueError(
            f"orders has shape {orders.shape} for {members} members: give one order or more, "
            f"shape (orders, {members}), as member_orders({members}, orders) does"
        )
    if isinstance(orders, jax.core.Tracer):
        return
    orders = np.asarray(orders)
    wrong = np.flatnonzero((np.sort(orders, axis=1) != np.arange(members)).any(axis=1))
    if wrong.size:
        raise ValueError(
            f"order {wrong[0]} is {orders[wrong[0]].tolist()}: give each of the {members} members, "
            f"0 to {members - 1}, once, as member_orders({members}, {len(orders)}) does"
        )


@partial(jax.jit, static_argnames=("protocol", "signed"))
def _scores_by_size(
    maps: Num[ArrayLike, "member *lead height width"],
    mask: Mask | None,
    point: Float[ArrayLike, "*#lead 2"] | None,
    orders: Integer[ArrayLike, "order member"],
    protocol: Protocol,
    *,
    signed: bool,
) -> dict[str, Float[Array, "order size *lead"]]:
    maps = as_float(maps)
    counts = jnp.arange(1, maps.shape[0] + 1, dtype=maps.dtype)
    counts = counts.reshape(-1, *(1,) * (maps.ndim - 1))

    def of_order(order: Array) -> dict[str, Array]:
        means = jnp.cumsum(maps[order], axis=0) / counts
        return score(means, mask, point, protocol, signed=signed)

    # An order after another: all at once would hold order times member maps of each image.
    return jax.lax.map(of_order, jnp.asarray(orders))


def curve(scores: Float[np.ndarray, "order size image"], seed: int = 0) -> Curve:
    """The mean over orders and images, and the band in which it would lie for others of both.

    The band is a percentile bootstrap: each of 1,000 resamples draws images with replacement,
    and one of the orders. Images without a score at some size are left out at all of them, so
    that sizes are compared on the same images. NaN where no image is left.
    """
    scores = np.asarray(scores, np.float64)
    orders, sizes, _ = scores.shape
    scored = scores[:, :, np.isfinite(scores).all(axis=(0, 1))]
    images = scored.shape[-1]
    if not images:
        nothing = np.full(sizes, np.nan)
        return Curve(nothing, nothing, nothing, 0)
    draw = np.random.default_rng(seed)
    weights = draw.multinomial(images, np.full(images, 1 / images), RESAMPLES) / images
    which = draw.integers(0, orders, RESAMPLES)
    means = np.stack([scored[order] @ weight for order, weight in zip(which, weights, strict=True)])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return Curve(scored.mean(axis=(0, 2)), low, high, images)
