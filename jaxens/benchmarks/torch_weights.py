"""Convert one member's variables to a PyTorch state dict."""

from typing import Any

import numpy as np
import torch
from flax.traverse_util import flatten_dict

from jaxens.models.torch_names import LEAVES, NAMES
from jaxens.models.vgg import SMALL_STAGES

# HWIO becomes OIHW, [in, out] becomes [out, in]; a position embedding [1, token, width] stays.
_AXES = {1: (0,), 2: (1, 0), 3: (0, 1, 2), 4: (3, 2, 0, 1)}


def state_dict(name: str, variables: Any) -> dict[str, torch.Tensor]:
    """Tensors for `load_state_dict(..., strict=False)`: jaxens has no `num_batches_tracked`.

    `name` is a key of `torch_models.TWINS`; the model has one task.
    """
    tensors = {}
    for (_, part, *modules, leaf), value in flatten_dict(variables).items():
        module = _head(name) if part == "heads" else _module(name, tuple(modules))
        tensors[f"{module}.{LEAVES[leaf]}"] = tensor(value)
    return tensors


def tensor(value: Any) -> torch.Tensor:
    """Returns a parameter as a float32 tensor whose axes have the order of PyTorch."""
    array = np.asarray(value, np.float32)
    return torch.from_numpy(array.transpose(_AXES[array.ndim]).copy())


def _head(name: str) -> str:
    return "_fc" if name == "efficientnet-lite0" else "fc"


def _module(name: str, modules: tuple[str, ...]) -> str:
    """Returns the name of a trunk's module in PyTorch."""
    if name in NAMES:
        return NAMES[name].module(modules)
    if name == "small":
        return ".".join(modules)
    kind, stage, convolution = modules[0][:-3], int(modules[0][-3]), int(modules[0][-1])  # bn4_2
    # Each convolution has a normalization and an activation; each stage ends with a pool.
    before = sum(3 * convolutions + 1 for _, convolutions in SMALL_STAGES[: stage - 1])
    return f"features.{before + 3 * (convolution - 1) + (kind == 'bn')}"
