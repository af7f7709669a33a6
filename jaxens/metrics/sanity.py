"""The model randomisation test: does a map depend on what the model has learnt?"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Num, PRNGKeyArray, UInt32

from jaxens.metrics.inputs import ArrayLike, as_float, with_axes
from jaxens.metrics.normalize import has_contrast

Params = TypeVar("Params")  # any tree of arrays
Key = PRNGKeyArray | UInt32[Array, "2"]  # typed (`jax.random.key`) or raw


class Randomization(NamedTuple):
    """`spearman` of the model's maps with those of the model that is randomised down to a layer.

    Near 1 means that the map hardly depends on the layers randomised so far. A map whose signs
    all flip still marks the same pixels, but has a correlation of -1: hence the second.
    """

    signed: Float[Array, "layer *lead"]  # of the maps as they are
    absolute: Float[Array, "layer *lead"]  # of their magnitudes


def parameter_randomization(
    maps_fn: Callable[[Params], Array], params: Params, layers: Sequence[str], key: Key
) -> Randomization:
    """Randomises a model layer by layer, from the output down, and compares its maps.

    `maps_fn` makes maps [..., height, width] of parameters; it is called once for each layer and
    once more, so `jit` it. `layers` are the layers from the output to the input, each the path
    of a part of the tree, such as "heads" or "trunk/stage2_0". Row k of the result is with the
    first k + 1 of them randomised (the "cascading" test) by `randomize`, and should come down
    towards 0: a method that stays near 1 shows the picture's edges, not what the model has
    learnt. Keep each image's target as it was.

    NaN where either map is constant or not finite.

    Adebayo et al. 2018, "Sanity checks for saliency maps".

    **Raises:** `ValueError` if there is no layer, or none of that name.
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
    """The parameters with the values of each array in one layer in a random order.

    The original draws them anew from the initialiser, which a tree of arrays does not carry, and
    which gives another scale than training did; a permutation keeps the distribution of the
    values and forgets where each belongs. It leaves an array alone whose values are all the
    same, and does not see a member axis: `vmap` it over members, with a key for each.

    The order depends on the key and the array's place in the tree, not on the layer's name.

    **Raises:** `ValueError` if no array lies in the layer.
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    paths = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    chosen = [path == layer or path.startswith(f"{layer}/") for path in paths]
    if not any(chosen):
        parents = sorted({path.rpartition("/")[0] or path for path in paths})
        raise ValueError(f"no parameters lie in {layer!r}: name one of {', '.join(parents)}")
    randomised = [
        _permuted(values, jax.random.fold_in(key, index)) if inside else values
        for index, ((_, values), inside) in enumerate(zip(leaves, chosen, strict=True))
    ]
    return jax.tree.unflatten(tree, randomised)


def _permuted(values: ArrayLike, key: Key) -> Array:
    values = jnp.asarray(values)
    return jax.random.permutation(key, values.ravel()).reshape(values.shape)


@jax.jit
def spearman(
    a: Num[ArrayLike, "*#lead height width"], b: Num[ArrayLike, "*#lead height width"]
) -> Float[Array, "*#lead"]:
    """Spearman's rank correlation of two maps, ties having their mean rank, as in SciPy.

    From -1 to 1. NaN where either map is constant or not finite.

    **Raises:** `ValueError` if the maps differ in height and width.
    """
    if a.shape[-2:] != b.shape[-2:]:
        raise ValueError(
            f"maps of shapes {a.shape} and {b.shape} differ in height and width: resize one"
        )
    axes = max(a.ndim, b.ndim)
    a, b = with_axes(as_float(a), axes), with_axes(as_float(b), axes)
    ranks_a, ranks_b = _ranks(a), _ranks(b)
    covariance = jnp.sum(ranks_a * ranks_b, axis=(-2, -1))
    deviations = jnp.sqrt(jnp.sum(ranks_a**2, axis=(-2, -1)) * jnp.sum(ranks_b**2, axis=(-2, -1)))
    correlation = jnp.clip(covariance / deviations, -1, 1)
    return jnp.where(has_contrast(a) & has_contrast(b), correlation, jnp.nan)


@jax.jit
def _ranks(map: Float[Array, "*lead height width"]) -> Float[Array, "*lead height width"]:
    """Each pixel's rank, in the unit of the number of pixels, less their mean."""

    def ranks(values: Array) -> Array:
        ordered = jnp.sort(values.ravel())
        below = jnp.searchsorted(ordered, values, side="left")
        up_to = jnp.searchsorted(ordered, values, side="right")
        return ((below + up_to) / values.size - 1) / 2

    return jnp.vectorize(ranks, signature="(h,w)->(h,w)")(map)
