"""Reads weight files: named arrays in `.npz` and `.safetensors`."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from jaxens.errors import UserError


def read_tensors(path: Path) -> Mapping[str, np.ndarray]:
    """Returns the arrays of a weight file, by name.

    Raises:
        UserError: If the file is damaged, or has another format.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.numpy.load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
    except (
        OSError,
        EOFError,
        KeyError,  # a type that NumPy lacks, such as bfloat16
        ValueError,
        zipfile.BadZipFile,
        safetensors.SafetensorError,
    ) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} can't be read ({reason}): write it again") from None
    raise UserError(
        f"{path} is not .npz, .safetensors or a run directory: write a PyTorch model's "
        "state_dict() by safetensors.torch.save_file"
    )
