"""Starting weights: torchvision's tensors from a file, or what another run has trained."""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors
import safetensors.numpy

from jaxens.errors import UserError
from jaxens.models import from_torchvision
from jaxens.models.trunk import below_heads, without_heads
from jaxens.runs.config import Model
from jaxens.runs.loading import load_ensemble
from jaxens.runs.run import Run


@dataclass(frozen=True)
class Weights:
    """One member's variables below the heads, and 16 hexadecimal digits that tell them apart."""

    variables: Any
    fingerprint: str


def read_weights(model: Model) -> Weights | None:
    """What `--weights` names; None if it names nothing.

    Raises `UserError` for what can't be read, or does not fit the model.
    """
    if not model.weights:
        return None
    path = Path(model.weights).expanduser()
    if not path.exists():
        raise UserError(f"--weights {path}: there is no such file or run directory")
    variables = _of_run(path, model.name) if path.is_dir() else _of_file(path, model.name)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)):
        raise UserError(f"--weights {path} hold NaN or infinity: give others")
    return Weights(variables, _fingerprint(variables))


def read_weights_again(run: Run) -> Weights | None:
    """The weights that a run began with, for one that was cut off before its first checkpoint."""
    weights = read_weights(run.config.model)
    if weights:
        run.check_weights(weights.fingerprint)
    return weights


def _of_run(folder: Path, name: str) -> Any:
    """The first member's, at the checkpoint that was best on validation."""
    trained = Run.open(folder)
    trained.close()
    if trained.config.model.name != name:
        raise UserError(
            f"--weights {folder} is a run of {trained.config.model.name}, not of {name}: "
            f"add --model {trained.config.model.name}, or name another run"
        )
    ensemble = load_ensemble(folder)
    return jax.tree.map(np.asarray, without_heads(ensemble.member(0)))


def _of_file(path: Path, name: str) -> Any:
    tensors = _tensors(path)
    try:
        return jax.tree.map(np.asarray, from_torchvision(name, tensors, below_heads(name)))
    except ValueError as error:
        raise UserError(
            f"--weights {path} with --model {name}: {error}: name a file for that model, or the "
            "directory of a run of it"
        ) from None


def _tensors(path: Path) -> Mapping[str, np.ndarray]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.numpy.load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
    except (
        OSError,
        EOFError,
        KeyError,  # a type that NumPy has not, such as bfloat16
        ValueError,
        zipfile.BadZipFile,
        safetensors.SafetensorError,
    ) as error:
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"--weights {path} can't be read ({what}): write it anew") from None
    raise UserError(
        f"--weights {path} is neither .npz nor .safetensors nor a run directory: write a PyTorch "
        "model's state_dict() by safetensors.torch.save_file"
    )


def _fingerprint(variables: Any) -> str:
    digest = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(variables):
        digest.update(f"{jax.tree_util.keystr(path)} {leaf.shape} {leaf.dtype}".encode())
        digest.update(leaf.tobytes())
    return digest.hexdigest()[:16]
