"""Checks of a benchmark's settings, before anything is measured."""

import importlib
import itertools
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import jax

from jaxens.benchmarks import vit
from jaxens.benchmarks.options import MethodName
from jaxens.benchmarks.scores import GRID
from jaxens.errors import UserError
from jaxens.files import check_is_folder
from jaxens.models import build
from jaxens.models.trunk import below_heads

# The modules that each comparison imports, by benchmark and value of --against.
PEERS: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {"torch": ("torch",)},
    "explain": {"torch": ("torch", "captum")},
    "network": {"torch": ("torch", "captum")},
    "lime": {"lime": ("lime",)},
    "input": {"opencv": ("cv2",)},
}
PIP = {"cv2": "opencv-python-headless"}  # packages whose name differs from the module's


def check(what: str, settings: dict[str, Any], folder: Path | None) -> None:
    """Raises `UserError` if a benchmark can't run with these settings; creates `folder`.

    Args:
        what: The benchmark's name.
        settings: Its options.
        folder: Where results are to be written, or None.
    """
    model, size = settings.get("model"), settings.get("image_size")
    if model == "vit-s":
        _check_vit(settings["image_size"], settings["methods"] or ())
    elif model and size:
        check_image_size(model, size)
    if settings.get("samples") == 1:
        raise UserError("`samples` 1: LIME fits a linear model to the samples: choose at least 2")
    if what == "scores":
        _check_blocks(settings["image_size"])
    if what == "scaling":
        _check_devices(max(settings["devices"]))
    against = settings.get("against")
    if against:
        require(*PEERS[what][against])
        if "lime" in (settings.get("methods") or ()):
            require("lime")
    if against == "torch":
        from jaxens.benchmarks.torch_side import device

        device()
    if (what, against) == ("train", "torch"):
        _check_batch(settings["model"], settings["image_size"], settings["batch_size"])
    if folder:
        check_folder(folder)


def check_folder(folder: Path) -> None:
    """Creates the folder; raises `UserError` if that fails, or if it is not writable."""
    check_is_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(
            f"`out` {folder}: {error.strerror}: choose a folder that can be written to"
        ) from None


def require(*modules: str) -> None:
    """Raises `UserError` if modules that a comparison needs can't be imported."""
    missing, reasons = [], []
    for module in modules:
        try:
            importlib.import_module(module)
        except (ImportError, OSError) as error:  # not installed, or without a shared library
            missing.append(PIP.get(module, module))
            reasons.append(str(error))
    if missing:
        raise UserError(
            f"`against`: the comparison needs {' and '.join(missing)} ({reasons[0]}): "
            f"pip install {' '.join(missing)}"
        )


def check_image_size(model: str, size: int) -> None:
    """Raises `UserError` if an image of `size` px is too small for the model."""
    if not _feature_cells(model, size):
        least = next(larger for larger in itertools.count(size) if _feature_cells(model, larger))
        raise UserError(f"`image_size` {size} is too small for {model}: choose at least {least}")


def _check_vit(size: int, methods: Sequence[str]) -> None:
    """Raises `UserError` if images can't be cut into patches, or methods need another network."""
    if size % vit.PATCH:
        raise UserError(
            f"`image_size` {size}: vit-s cuts images into patches of {vit.PATCH} px: "
            f"choose a multiple of {vit.PATCH}"
        )
    refused = [method for method in methods if not vit.explains(method)]
    if refused:
        others = filter(vit.explains, (*get_args(MethodName), "lime"))
        raise UserError(
            f"`methods` {' '.join(refused)}: vit-s has no convolutional features and no ReLU: "
            f"choose from {', '.join(others)}"
        )


def _check_blocks(size: int) -> None:
    """Raises `UserError` if images don't divide into the blocks that the NumPy code averages."""
    if size % GRID:
        raise UserError(
            f"`image_size` {size}: the NumPy code averages {GRID} x {GRID} blocks: "
            f"choose a multiple of {GRID}"
        )


def _check_devices(most: int) -> None:
    """Raises `UserError` if there are fewer devices."""
    count = len(jax.devices())
    if most > count:
        how = f"set JAX_NUM_CPU_DEVICES={most}, or " if jax.default_backend() == "cpu" else ""
        raise UserError(f"`devices` {most}, and there are {count}: {how}choose fewer")


def _check_batch(model: str, size: int, batch: int) -> None:
    """Raises `UserError` if PyTorch's batch normalization would get one value per channel."""
    batch_norm = "batch_stats" in below_heads(model)
    if batch_norm and batch * _feature_cells(model, size) == 1:
        raise UserError(
            f"`batch_size` {batch}: PyTorch's batch normalization needs more than one value per "
            f"channel, and {model} has one for an image of {size} px: choose at least 2"
        )


def _feature_cells(model: str, size: int) -> int:
    """Height x width of a model's features of an image of `size` px; 0 if that is too small."""
    network = build(model, [("any", 1)])

    def features(images: jax.Array) -> Any:
        variables = network.init(jax.random.key(0), images)
        return network.apply(variables, images, method="features")

    try:
        shape = jax.eval_shape(features, jax.ShapeDtypeStruct((1, size, size, 3), "float32")).shape
    except ValueError:  # a VGG can't halve the image often enough
        return 0
    return math.prod(shape[1:3])
