"""Scores by the size of the ensemble, computed for all sizes from one set of maps."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Integer, Num

from jaxens.arrays import as_whole, to_float32
from jaxens.metrics.inputs import ArrayLike, Mask
from jaxens.metrics.protocol import Protocol, score

RESAMPLES = 1000


class Curve(NamedTuple):
    """The mean score for each size of the ensemble, from 1 to all members, with a 95 % band.

    Attributes:
        mean: Over images and orders.
        low: The lower bound of the band.
        high: The upper bound of the band.
        images: How many images have a score at every size and in every order.
    """

    mean: Float[np.ndarray, " size"]
    low: Float[np.ndarray, " size"]
    high: Float[np.ndarray, " size"]
    images: int


def member_orders(members: int, orders: int, seed: int = 0) -> Integer[np.ndarray, "order member"]:
    """Random orders in which members join; the first k of an order are its ensemble of size k.

    The orders are rotations of random permutations, so each member has every position once in
    `members` orders.

    Args:
        members: How many members there are.
        orders: How many orders to draw.
        seed: The seed of the random generator.

    Returns:
        A permutation of 0 to `members` - 1 per row.

    Raises:
        ValueError: If `members` or `orders` is not a whole number of at least 1.
    """
    members, orders = as_whole(members, "members"), as_whole(orders, "orders")
    generator = np.random.default_rng(seed)
    rotations: list[np.ndarray] = []
    while len(rotations) < orders:
        permutation = generator.permutation(members)
        rotations += [np.roll(permutation, k) for k in range(members)]
    return np.stack(rotations[:orders])


def scores_by_size(
    maps: Num[ArrayLike, "member *lead height width"],
    mask: Mask | None,
    point: Float[ArrayLike, "*#lead 2"] | None,
    orders: Integer[ArrayLike, "order _member"],
    protocol: Protocol,
    *,
    signed: bool,
    ignored: Mask | None = None,
) -> dict[str, Float[Array, "order size *lead"]]:
    """Scores the mean map of the first k members of each order, for every k.

    Pazzani et al. 2022, Figure 5.

    Args:
        maps: Raw maps.
        mask: As for `score`.
        point: As for `score`.
        orders: A permutation of the members per row, as from `member_orders`.
        protocol: All choices.
        signed: Whether the values of the maps carry a sign.
        ignored: As for `score`.

    Returns:
        Scores by the name of the metric. The last size is the whole ensemble, and its scores are
        the same in every order up to rounding.

    Raises:
        ValueError: If an order does not hold each member once (not checked for traced orders),
            and as `score` does.
    """
    _check_orders(orders, maps.shape[0])
    return _scores_by_size(maps, mask, point, orders, protocol, signed=signed, ignored=ignored)


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
    ignored: Mask | None = None,
) -> dict[str, Float[Array, "order size *lead"]]:
    maps = to_float32(maps)
    counts = jnp.arange(1, maps.shape[0] + 1, dtype=maps.dtype)
    counts = counts.reshape(-1, *(1,) * (maps.ndim - 1))

    def of_order(order: Array) -> dict[str, Array]:
        means = jnp.cumsum(maps[order], axis=0) / counts
        return score(means, mask, point, protocol, signed=signed, ignored=ignored)

    # One by one: all orders at once would need memory for order x member maps of each image.
    return jax.lax.map(of_order, jnp.asarray(orders))


def curve(scores: Float[np.ndarray, "order size image"], seed: int = 0) -> Curve:
    """Returns the mean score by size, with a 95 % band for other images and orders.

    The band is a percentile bootstrap: each of 1,000 resamples draws images with replacement,
    and one order. An image without a score at one size is left out at all sizes, so that sizes
    are compared on the same images.

    Args:
        scores: Scores of one metric, as from `scores_by_size`; NaN where there is none.
        seed: The seed of the resamples.

    Returns:
        The curve, computed in float64; NaN if no image remains.
    """
    scores = np.asarray(scores, np.float64)
    orders, sizes, _ = scores.shape
    scored = scores[:, :, np.isfinite(scores).all(axis=(0, 1))]
    images = scored.shape[-1]
    if not images:
        no_scores = np.full(sizes, np.nan)
        return Curve(no_scores, no_scores, no_scores, 0)
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(images, np.full(images, 1 / images), RESAMPLES) / images
    drawn_orders = generator.integers(0, orders, RESAMPLES)
    means = np.stack(
        [scored[order] @ weight for order, weight in zip(drawn_orders, weights, strict=True)]
    )
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return Curve(scored.mean(axis=(0, 2)), low, high, images)
