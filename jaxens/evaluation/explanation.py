"""What an explanation leaves behind beside its figures: how it was made, and its maps."""

import importlib.metadata
import io
import json
import platform
import zlib
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxens.errors import UserError
from jaxens.evaluation.explainer import Explainer
from jaxens.evaluation.predictions import Subject
from jaxens.evaluation.settings import reduction
from jaxens.runs.run import Run, write, write_bytes

PROVENANCE = "explanation.json"
_PACKAGES = ("jaxens", "jax", "jaxlib", "flax", "numpy", "pillow", "scikit-image", "scipy")


def provenance(run: Run, explainer: Explainer, method: str, subject: Subject) -> dict[str, Any]:
    """`explained` is all that decides the maps; the rest tells what came of it, and with what."""
    settings, said = explainer.settings, subject.predictions
    own = settings.of(method) | ({"superpixels": settings.superpixels} if method == "lime" else {})
    classes, names = subject.task.classes, subject.pictures.names
    return {
        "explained": {
            "run": run.folder.resolve().name,
            "checkpoint": "best",
            "weights_crc32": _crc32((explainer.ensemble.variables, explainer.ensemble.trunk)),
            "members": explainer.ensemble.members,
            "task": subject.task.name,
            "against": None if subject.against is None else classes[subject.against],
            "method": method,
            "reduce": reduction(method, settings.reduce),
            "settings": own,
            "baseline": _baseline(explainer, method),
            "seed": settings.seed,
            "pictures": [
                {"name": name, "sha256": sum, "target": classes[target]}
                for name, sum, target in zip(
                    names, subject.pictures.sha256, subject.targets, strict=True
                )
            ],
        },
        "predictions": [
            {
                "name": name,
                "class": classes[k],
                "probability": float(p[k]),
                "agreeing": int(n),
                "answering": np.flatnonzero(sound).tolist(),  # members whose mean it is
            }
            for name, k, p, n, sound in zip(
                names, said.classes, said.mean, said.agreeing, said.sound.T, strict=True
            )
        ],
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "backend": jax.default_backend(),
    }


def check_folder(folder: Path, made: dict[str, Any]) -> None:
    """Raises `UserError` if the folder holds an explanation of something else."""
    path = folder / PROVENANCE
    try:
        before = json.loads(path.read_text())["explained"]
    except FileNotFoundError:
        return
    except (ValueError, KeyError):
        raise UserError(f"{path} can't be read: name another --out, or remove {folder}") from None
    if before != made["explained"]:
        raise UserError(
            f"{folder} explains other pictures, or with other settings (see {path.name}): name "
            "another --out, or remove it"
        )


def write_provenance(folder: Path, made: dict[str, Any]) -> None:
    """Makes the folder, and writes how what lies in it was made."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / PROVENANCE, json.dumps(made, indent=2, allow_nan=False))


def write_maps(
    folder: Path, maps: Float[np.ndarray, "member picture height width"], subject: Subject
) -> None:
    """Writes `maps.npz`: the raw `maps` as float32 (NaN where a member has no answer), and beside
    them `pictures` (names), `task`, `targets` and, for a contrast, `against` (classes by number).
    """
    arrays = {
        "maps": maps.astype(np.float32),
        "pictures": np.array(subject.pictures.names),
        "task": np.array(subject.task.name),
        "targets": subject.targets,
    }
    if subject.against is not None:
        arrays["against"] = np.array(subject.against)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    write_bytes(folder / "maps.npz", file.getvalue())


def _baseline(explainer: Explainer, method: str) -> str | dict[str, int] | None:
    """What a method compares a picture with; None if with nothing."""
    if method == "integrated_gradients":
        return "mean colour"
    if method == "gradient_shap" and explainer.background is not None:
        background = explainer.background
        return {"training_pictures": len(background), "crc32": _crc32(background)}
    return None


def _crc32(arrays: Any) -> int:
    """Tells one tree of arrays from another."""
    sum = 0
    for leaf in jax.tree.leaves(arrays):
        sum = zlib.crc32(np.asarray(leaf).tobytes(), sum)
    return sum
