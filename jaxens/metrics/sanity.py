"""The model randomization test: whether a map depends on what the model has learned."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Num, PRNGKeyArray, UInt32

from jaxens.arrays import to_float32
from jaxens.errors import remedy
from jaxens.metrics.inputs import ArrayLike, with_axes
from jaxens.metrics.normalize import has_contrast
from jaxens.sharding import with_auto_axes

Params = TypeVar("Params")  # any tree of arrays
Key = PRNGKeyArray | UInt32[Array, "2"]  # typed (`jax.random.key`) or raw


class Randomization(NamedTuple):
    """Rank correlations of the model's maps with those of the model randomized down to a layer.

    A value near 1 means that the map hardly depends on the layers randomized so far. If all signs
    of a map flip, the correlation is -1 although the map marks the same pixels; `absolute` shows
    that.

    Attributes:
        signed: Spearman correlation of the maps.
        absolute: Spearman correlation of their magnitudes.
    """

    signed: Float[Array, "layer *lead"]
    absolute: Float[Array, "layer *lead"]


def parameter_randomization(
    maps_fn: Callable[[Params], Array], params: Params, layers: Sequence[str], key: Key
) -> Randomization:
    """Randomizes a model layer by layer, from the output down, and compares its maps.

    This is the cascading test: row k is for the model with the first k + 1 layers randomized by
    `randomize`. The correlation should fall towards 0. A method that stays near 1 shows the edges
    of the image, not what the model has learned.

    Adebayo et al. 2018, "Sanity checks for saliency maps".

    Args:
        maps_fn: Maps parameters to maps [..., height, width], with fixed images and targets. It
            is called once more than there are layers, so `jit` it.
        params: A tree of arrays.
        layers: Paths in the tree, from the output to the input, such as "heads" or
            "trunk/stage2_0".
        key: Random key.

    Returns:
        Correlations from -1 to 1 with the layer axis first. NaN where either map is constant or
        not finite.

    Raises:
        ValueError: If `layers` is empty, or there are no parameters at a path.
    """
    if isinstance(layers, str) or not layers:
        raise ValueError(f"layers is {layers!r}: give paths of layers, from the output down")
    original = maps_fn(params)
    signed, absolute = [], []
    for layer in layers:
        params = randomize(params, layer, key)
        maps = maps_fn(params)
        signed.append(spearman(original, maps))
        absolute.append(spearman(jnp.abs(original), jnp.abs(maps)))
    return Randomization(jnp.stack(signed), jnp.stack(absolute))


def randomize(params: Params, layer: str, key: Key) -> Params:
    """Shuffles the values of each array of one layer.

    Adebayo et al. draw new values from the initializer. A tree of arrays does not contain it, and
    its scale differs from that of trained weights. Shuffling keeps the distribution of the values.
    An array of equal values stays as it is. A member axis is shuffled too: `vmap` this function
    over members, with a key for each.

    Args:
        params: A tree of arrays.
        layer: A path in the tree, such as "trunk/stage2_0".
        key: Random key. The order depends on it and on the position of the array in the tree.

    Returns:
        A tree of the same structure.

    Raises:
        ValueError: If there are no parameters at the path.
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    paths = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    selected = [path == layer or path.startswith(f"{layer}/") for path in paths]
    if not any(selected):
        parents = sorted({path.rpartition("/")[0] or path for path in paths})
        raise ValueError(f"no parameters are in {layer!r}: {remedy(layer, parents)}")
    randomized = [
        _shuffle(values, jax.random.fold_in(key, index)) if inside else values
        for index, ((_, values), inside) in enumerate(zip(leaves, selected, strict=True))
    ]
    return jax.tree.unflatten(tree, randomized)


def _shuffle(values: ArrayLike, key: Key) -> Array:
    values = jnp.asarray(values)
    return jax.random.permutation(key, values.ravel()).reshape(values.shape)


@with_auto_axes
@jax.jit
def spearman(
    a: Num[ArrayLike, "*#lead height width"], b: Num[ArrayLike, "*#lead height width"]
) -> Float[Array, "*#lead"]:
    """Spearman's rank correlation of two maps; ties have their mean rank, as in SciPy.

    Args:
        a: Maps.
        b: Maps.

    Returns:
        A value from -1 to 1 per pair. NaN where either map is constant or not finite.

    Raises:
        ValueError: If the maps differ in height or width.
    """
    if a.shape[-2:] != b.shape[-2:]:
        raise ValueError(
            f"maps of shapes {a.shape} and {b.shape} differ in height and width: resize one"
        )
    axes = max(a.ndim, b.ndim)
    a, b = with_axes(to_float32(a), axes), with_axes(to_float32(b), axes)
    ranks_a, ranks_b = _centered_ranks(a), _centered_ranks(b)
    covariance = jnp.sum(ranks_a * ranks_b, axis=(-2, -1))
    deviations = jnp.sqrt(jnp.sum(ranks_a**2, axis=(-2, -1)) * jnp.sum(ranks_b**2, axis=(-2, -1)))
    correlation = jnp.clip(covariance / deviations, -1, 1)
    return jnp.where(has_contrast(a) & has_contrast(b), correlation, jnp.nan)


@jax.jit
def _centered_ranks(map: Float[Array, "*lead height width"]) -> Float[Array, "*lead height width"]:
    """Each pixel's rank minus the mean rank, divided by the number of pixels."""

    def ranks(values: Array) -> Array:
        ordered = jnp.sort(values.ravel())
        below = jnp.searchsorted(ordered, values, side="left")
        up_to = jnp.searchsorted(ordered, values, side="right")
        return ((below + up_to) / values.size - 1) / 2

    return jnp.vectorize(ranks, signature="(h,w)->(h,w)")(map)
