"""Maps [image, height, width] by any of the methods."""

import inspect
from collections.abc import Mapping
from typing import Any

from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.arrays import as_images
from jaxens.attribution.methods import Method, Network, method_named
from jaxens.attribution.reduce import REDUCTIONS
from jaxens.attribution.resize import resize
from jaxens.errors import remedy
from jaxens.targets import Targets


def attribute(
    method: str,
    network: Network,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    *,
    reduce: str | None = None,
    **settings: Any,
) -> Float[Array, "image height width"]:
    """Returns one map per image by one method, without channels and of the images' size.

    Args:
        method: A name of `METHODS`.
        network: The functions of the model that the method needs.
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.
        reduce: A name of `REDUCTIONS` (None: the method's usual reduction of channels).
        **settings: The settings of the method, see `METHODS[method].settings`.

    Returns:
        Maps. Coarse ones are resized bilinearly.

    Raises:
        ValueError: For an unknown method, setting or reduction, a missing setting or function, or
            as the method does.
    """
    row = method_named(method)
    _check(row, network, reduce, settings)
    images = as_images(images)
    model = [getattr(network, name) for name in row.needs]
    maps = row.function(*model, images, targets, **settings)
    if row.reduce:
        maps = REDUCTIONS[reduce or row.reduce](maps)
    return resize(maps, (images.shape[1], images.shape[2]))


def explain(
    methods: Mapping[str, Mapping[str, Any]],
    network: Network,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
) -> dict[str, Float[Array, "image height width"]]:
    """Returns the maps of `attribute` by several methods, by name.

    Under `jit`, XLA computes what methods share only once: Saliency and Input x Gradient need the
    same gradient, Guided Backprop and Guided Grad-CAM another, and all of these share the forward
    pass with Grad-CAM.

    Args:
        methods: Settings of each method, and `reduce`:
            `{"saliency": {}, "integrated_gradients": {"steps": 50}}`.
        network: The functions of the model that the methods need.
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.

    Raises:
        ValueError: As `attribute`.
    """
    return {
        method: attribute(method, network, images, targets, **settings)
        for method, settings in methods.items()
    }


def _check(row: Method, network: Network, reduce: str | None, settings: Mapping[str, Any]) -> None:
    absent = [name for name in row.needs if getattr(network, name) is None]
    if absent:
        raise ValueError(f"{row.name} needs {', '.join(absent)}: give the Network these")
    unknown = [name for name in settings if name not in row.settings]
    if unknown:
        raise ValueError(
            f"{row.name} has no setting {', '.join(unknown)}: it takes "
            f"{', '.join(row.settings) or 'none'}"
        )
    empty = inspect.Parameter.empty
    missing = [n for n, default in row.settings.items() if default is empty and n not in settings]
    if missing:
        raise ValueError(f"{row.name} needs {' and '.join(missing)}: see its docstring")
    if reduce is not None and reduce not in REDUCTIONS:
        raise ValueError(f"unknown reduction {reduce!r}: {remedy(reduce, REDUCTIONS)}")
    if reduce is not None and row.reduce is None:
        raise ValueError(f"{row.name} has no channels to reduce: leave reduce out")
