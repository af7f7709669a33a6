"""What can go wrong is found before anything is measured."""

import importlib
import itertools
import math
import tempfile
from pathlib import Path
from typing import Any

import jax

from jaxens.benchmarks.scores import GRID
from jaxens.errors import UserError
from jaxens.models import build
from jaxens.models.trunk import below_heads

# What each benchmark can be measured beside, and the modules which that imports.
PEERS: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {"torch": ("torch",)},
    "explain": {"torch": ("torch", "captum")},
    "lime": {"lime": ("lime",)},
    "input": {"opencv": ("cv2",)},
}
PIP = {"cv2": "opencv-python-headless"}  # where pip calls a module otherwise


def check(what: str, settings: dict[str, Any], folder: Path | None) -> None:
    """Raises `UserError` if the benchmark `what` can't be measured so, or not be kept in `folder`.

    Makes the folder if all is well.
    """
    model, size = settings.get("model"), settings.get("image_size")
    if model and size:
        check_image_size(model, size)
    if settings.get("samples") == 1:
        raise UserError("--samples 1: LIME fits a model to samples: choose at least 2")
    if what == "scores":
        check_blocks(settings["image_size"])
    against = settings.get("against")
    if against:
        require(*PEERS[what][against])
    if against == "torch":
        from jaxens.benchmarks.torch_side import device

        device()
    if (what, against) == ("train", "torch"):
        check_batch(settings["model"], settings["image_size"], settings["batch_size"])
    if folder:
        check_folder(folder)


def check_folder(folder: Path) -> None:
    """Makes the folder; raises `UserError` where it can't be, or takes no files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except FileExistsError:
        raise UserError(f"--out {folder} is a file: choose a folder") from None
    except OSError as error:
        raise UserError(
            f"--out {folder}: {error.strerror}: choose a folder that can be written to"
        ) from None


def require(*modules: str) -> None:
    """Raises `UserError` for modules that a comparison needs and that can't be imported."""
    absent, reasons = [], []
    for module in modules:
        try:
            importlib.import_module(module)
        except (ImportError, OSError) as error:  # not there, or without a library of its own
            absent.append(PIP.get(module, module))
            reasons.append(str(error))
    if absent:
        raise UserError(
            f"--against: the comparison needs {' and '.join(absent)} ({reasons[0]}): "
            f"pip install {' '.join(absent)}"
        )


def check_image_size(model: str, size: int) -> None:
    """Raises `UserError` if an image of `size` px is too small for the model."""
    if not cells(model, size):
        least = next(larger for larger in itertools.count(size) if cells(model, larger))
        raise UserError(f"--image-size {size} is too small for {model}: choose at least {least}")


def check_blocks(size: int) -> None:
    """Raises `UserError` where the plain code has no whole blocks of pixels to average."""
    if size % GRID:
        raise UserError(
            f"--image-size {size}: the plain code averages {GRID} x {GRID} whole blocks: "
            f"choose a multiple of {GRID}"
        )


def check_batch(model: str, size: int, batch: int) -> None:
    """Raises `UserError` where PyTorch's batch normalisation would have a single value."""
    normalised = "batch_stats" in below_heads(model)
    if normalised and batch * cells(model, size) == 1:
        raise UserError(
            f"--batch-size {batch}: PyTorch normalises over a batch, and {model} leaves it one "
            f"value per channel of an image of {size} px: choose at least 2"
        )


def cells(model: str, size: int) -> int:
    """Places, height x width, in a model's features of an image of `size` px; 0 if it takes none.

    Nothing is computed.
    """
    network = build(model, [("any", 1)])

    def features(images: jax.Array) -> Any:
        variables = network.init(jax.random.key(0), images)
        return network.apply(variables, images, method="features")

    try:
        found = jax.eval_shape(features, jax.ShapeDtypeStruct((1, size, size, 3), "float32"))
    except ValueError:  # as a VGG says that it can't halve an image often enough
        return 0
    return math.prod(found.shape[1:3])
