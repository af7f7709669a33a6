"""Reads weight files: named arrays in `.npz`, `.safetensors` and PyTorch's `.pth`."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

from jaxens.errors import UserError
from jaxens.untrusted import open_regular, read_arrays


def read_tensors(path: Path) -> Mapping[str, np.ndarray]:
    """Returns the arrays of a weight file, by name.

    PyTorch, which has to be installed, reads `.pth` and `.pt`, as data only: it runs no code of
    the file.

    Raises:
        UserError: If the file is damaged, or has another format.
    """
    try:
        open_regular(path).close()
        if path.suffix == ".safetensors":
            return safetensors.numpy.load_file(path)
        if path.suffix == ".npz":
            return read_arrays(path)
        if path.suffix in (".pth", ".pt"):
            return _read_pytorch(path)
    except UserError:
        raise
    # Readers raise many kinds of exceptions for damaged files.
    except Exception as error:
        raise UserError(f"{path} can't be read ({_reason(error)}): write it again") from None
    raise UserError(
        f"{path} is not .npz, .safetensors, .pth or a run directory: write a PyTorch model's "
        "state_dict() by safetensors.torch.save_file"
    )


def _read_pytorch(path: Path) -> Mapping[str, np.ndarray]:
    try:
        import torch
    except ImportError:
        raise UserError(
            f"{path} needs PyTorch: install it, or write the tensors as .safetensors elsewhere"
        ) from None

    with warnings.catch_warnings(action="ignore"):  # of old formats, which it reads
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(tensors, dict) or not all(map(torch.is_tensor, tensors.values())):
        raise ValueError("it holds no state_dict()")
    return {
        str(name): (tensor.float() if tensor.is_floating_point() else tensor).detach().numpy()
        for name, tensor in tensors.items()
    }


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):
        return "it holds more than tensors, and might run code"
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
