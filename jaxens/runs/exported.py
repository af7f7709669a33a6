"""An exported ensemble: its tensors in `.safetensors`, and a JSON file that says what they are.

README.md               the model card
ensemble.json           the architecture, the tasks and the number of members
ensemble.safetensors    trunk/... of what all members share; members/... and baseline/... with a
                        leading member axis
"""

import json
from pathlib import Path
from typing import Any, Literal, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxens.data.schema import Info
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.files import write_text
from jaxens.models import Classifier
from jaxens.models.tensors import read_tensors
from jaxens.runs.records import read_json, wrong_tasks
from jaxens.training.settings import Config, Model, ModelName
from jaxens.training.state import build_model

SETTINGS, TENSORS = "ensemble.json", "ensemble.safetensors"
REMEDY = "export the run again"


class Exported(TypedDict):
    """The content of ensemble.json. The image size is that of the training; others work too."""

    model: ModelName
    dtype: Literal["auto", "float32", "bfloat16"]
    image_size: int
    members: int
    diverged_at: list[int | None]
    info: Info


def is_exported(folder: Path) -> bool:
    """Returns whether a folder holds an exported ensemble."""
    return (folder / SETTINGS).is_file()


def write(folder: Path, ensemble: Ensemble, model: Model, image_size: int, data: str) -> None:
    """Writes an ensemble into an empty folder.

    Args:
        folder: The folder.
        ensemble: What is written.
        model: The settings that its model was built from.
        image_size: Side of the images that it was trained on, pixels.
        data: Name of the data set that it was trained on.
    """
    parts = {
        "trunk": ensemble.trunk,
        "members": ensemble.variables,
        "baseline": ensemble.baseline,
    }
    tensors = {
        _name(part, path): np.asarray(leaf)
        for part, tree in parts.items()
        for path, leaf in flatten_dict(tree or {}).items()
    }
    safetensors.numpy.save_file(tensors, folder / TENSORS)
    settings = {
        "model": model.name,
        "dtype": model.dtype,
        "image_size": image_size,
        "members": ensemble.members,
        "diverged_at": ensemble.diverged_at,
        "info": json.loads(Info(data, ensemble.tasks).to_json()),
    }
    write_text(folder / SETTINGS, json.dumps(settings, indent=2))


def read(folder: Path) -> Ensemble:
    """Returns the ensemble of a folder that `jaxens.export` has written.

    Raises:
        UserError: If a file is missing, damaged, or does not fit the others.
    """
    settings = read_settings(folder)
    tasks = Info.from_json(json.dumps(settings["info"])).tasks
    model = build_model(Config(model=Model(settings["model"], settings["dtype"])), tasks)
    path = folder / TENSORS
    if not path.is_file():
        raise UserError(f"{folder} has no {TENSORS}: {REMEDY}")
    members, baseline, trunk = _arrange(path, model, settings["members"])
    return Ensemble(model, members, tasks, baseline, trunk, tuple(settings["diverged_at"]))


def read_settings(folder: Path) -> Exported:
    """Returns the content of ensemble.json.

    Raises:
        UserError: If it can't be read, or says what can't be.
    """
    path = folder / SETTINGS
    settings = read_json(path, Exported, REMEDY)
    wrong = wrong_tasks(settings["info"])
    members, steps = settings["members"], settings["diverged_at"]
    if len(steps) not in (0, members, members + 1):
        wrong = "it has steps of other members"
    if any(step is not None and step < 0 for step in steps):
        wrong = "a member diverged before the first step"
    if members < 1:
        wrong = "it has no members"
    if wrong:
        raise UserError(f"{path} can't be used: {wrong}: {REMEDY}")
    return settings


def _arrange(path: Path, model: Classifier, members: int) -> tuple[Any, Any, Any]:
    """Returns the variables of members, baseline and trunk, checked; None for absent parts."""
    tensors = dict(read_tensors(path))
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    shapes = flatten_dict(jax.eval_shape(model.init, jax.random.key(0), images))
    lead = {"members": (members,)}
    if any(name.startswith("baseline/") for name in tensors):
        lead["baseline"] = (1,)
    trees: dict[str, dict[tuple[str, ...], Any]] = {"trunk": {}, "members": {}, "baseline": {}}
    for leaf_path, leaf in shapes.items():
        shared = _name("trunk", leaf_path) in tensors
        for part, axis in ({"trunk": ()} if shared else lead).items():
            name, shape = _name(part, leaf_path), (*axis, *leaf.shape)
            value = tensors.pop(name, None)
            if value is None or (value.shape, value.dtype) != (shape, leaf.dtype):
                actual = "absent" if value is None else f"{value.dtype}{list(value.shape)}"
                raise UserError(
                    f"{path}: {name} is {actual}, not {leaf.dtype}{list(shape)}: {REMEDY}"
                )
            trees[part][leaf_path] = jnp.asarray(value)
    for name in tensors:
        raise UserError(f"{path}: {name!r} belongs to no part of the model: {REMEDY}")
    kept = {part: unflatten_dict(tree) or None for part, tree in trees.items()}
    return kept["members"], kept["baseline"], kept["trunk"]


def _name(part: str, path: tuple[str, ...]) -> str:
    return "/".join((part, *path))
