"""An exported ensemble: its tensors in `.safetensors`, and a JSON file that says what they are.

README.md               the model card
ensemble.json           the architecture, the tasks and the number of members
ensemble.safetensors    trunk/... of what all members share; members/... and baseline/... with a
                        leading member axis
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxens.data.registry import SOURCES
from jaxens.data.schema import Info
from jaxens.data.settings import Data
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.files import write_text
from jaxens.models import Classifier
from jaxens.models.tensors import read_tensors
from jaxens.runs.origin import FOLDERS, Origin
from jaxens.runs.records import read_json, wrong_tasks
from jaxens.training.settings import Augment, Config, Model, ModelName
from jaxens.training.state import build_model

SETTINGS, TENSORS = "ensemble.json", "ensemble.safetensors"
REMEDY = "export the run again"


class Exported(TypedDict):
    """The content of ensemble.json: see `Origin`. The data of the training have no folders."""

    model: ModelName
    dtype: Literal["auto", "float32", "bfloat16"]
    members: int
    diverged_at: list[int | None]
    info: Info
    data: Data
    augment: Augment
    fingerprint: str
    checkpoint: str


def is_exported(folder: Path) -> bool:
    """Returns whether a folder holds an exported ensemble."""
    return (folder / SETTINGS).is_file()


def write(folder: Path, ensemble: Ensemble, model: Model, origin: Origin) -> None:
    """Writes an ensemble into an empty folder.

    Args:
        folder: The folder.
        ensemble: What is written.
        model: The settings that its model was built from.
        origin: Where it comes from. Its folders are left out.
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
        "members": ensemble.members,
        "diverged_at": ensemble.diverged_at,
        "info": json.loads(origin.info.to_json()),
        "data": dict(origin.without_folders().data),
        "augment": asdict(origin.augment),
        "fingerprint": origin.fingerprint,
        "checkpoint": origin.checkpoint,
    }
    write_text(folder / SETTINGS, json.dumps(settings, indent=2))


def read(folder: Path) -> tuple[Ensemble, Origin]:
    """Returns the ensemble of a folder that `jaxens.export` has written, and its origin.

    Raises:
        UserError: If a file is missing, damaged, or does not fit the others.
    """
    settings = read_settings(folder)
    info = Info.from_json(json.dumps(settings["info"]))
    of_data: Any = settings["data"]
    of_augment: Any = settings["augment"]
    data = {**of_data, "tasks": tuple(of_data["tasks"])}
    try:
        tasks = info.choose_tasks(data["tasks"])
        augment = Augment(**of_augment)
        _check_data(data)
    except UserError as error:
        raise UserError(f"{folder / SETTINGS} can't be used: {error}: {REMEDY}") from None
    origin = Origin(info, data, augment, settings["fingerprint"], settings["checkpoint"])
    model = build_model(Config(model=Model(settings["model"], settings["dtype"])), tasks)
    path = folder / TENSORS
    if not path.is_file():
        raise UserError(f"{folder} has no {TENSORS}: {REMEDY}")
    members, baseline, trunk = _arrange(path, model, settings["members"])
    steps = tuple(settings["diverged_at"])
    return Ensemble(model, members, tasks, baseline, trunk, steps), origin


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


def _check_data(data: Mapping[str, Any]) -> None:
    """Checks the settings of a data set whose folder is not known here.

    Raises:
        UserError: If there is a folder, or a value that no setting may have.
    """
    if any(data[name] for name in FOLDERS):
        raise UserError("it names a folder of another machine")
    row = SOURCES.get(data["source"])
    Data(**{**data, "data_dir": "FOLDER" if row and row.needs_folder else ""})


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
