"""How the maps of an explanation were computed."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxens.attribution import METHODS
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.checksums import checksum, weights_checksum
from jaxens.evaluation.predictions import Subject
from jaxens.evaluation.settings import MethodSettings, reduction
from jaxens.untrusted import check_same_results

PROVENANCE = "explanation.json"
_PACKAGES = ("jaxens", "jax", "jaxlib", "flax", "numpy", "pillow", "scikit-image", "scipy")


def provenance(
    ensemble: Ensemble,
    subject: Subject,
    methods: Sequence[str],
    settings: MethodSettings,
    background: np.ndarray | None,
    run: str,
    checkpoint: str,
) -> dict[str, dict[str, Any]]:
    """Describes how each method's maps are computed.

    Args:
        ensemble: The members that are explained.
        subject: Images, predictions and targets.
        methods: Names in `attribution.METHODS`.
        settings: How the methods are run.
        background: Images that GradientSHAP starts from.
        run: Name of the run directory.
        checkpoint: Which of its checkpoints the ensemble is from.

    Returns:
        By method, an object for JSON. Its `explained` holds everything that the maps depend on;
        the rest is the predictions, the versions of the software, and JAX's backend.
    """
    predictions, classes = subject.predictions, subject.task.classes
    photos = subject.photos
    shared = {
        "run": run,
        "checkpoint": checkpoint,
        "weights_crc32": weights_checksum(ensemble),
        "members": ensemble.members,
        "task": subject.task.name,
        "against": None if subject.against is None else classes[subject.against],
        "seed": settings.seed,
        "images": [
            {"name": name, "sha256": sha256, "target": classes[target]}
            for name, sha256, target in zip(
                photos.names, photos.sha256, subject.targets, strict=True
            )
        ],
    }
    rest = {
        "predictions": [
            {
                "name": name,
                "class": classes[k],
                "probability": float(p[k]),
                "agreeing": int(n),
                "members": np.flatnonzero(finite).tolist(),  # whose mean it is
                "label": label,  # None if it is unknown
            }
            for name, k, p, n, finite, (label, _) in zip(
                photos.names,
                predictions.classes,
                predictions.mean,
                predictions.agreeing,
                predictions.finite.T,
                subject.labels,
                strict=True,
            )
        ],
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "backend": jax.default_backend(),
    }
    return {
        method: {
            "explained": {
                **shared,
                "method": method,
                "reduce": reduction(method, settings.reduce),
                "settings": settings.of(method)
                | ({"superpixels": settings.superpixels} if METHODS[method].needs_segments else {}),
                "baseline": _baseline(method, background),
            },
            **rest,
        }
        for method in methods
    }


def check_folders(folder: Path, provenance: Mapping[str, Mapping[str, Any]]) -> None:
    """Checks that results of each method can be written into its folder.

    Args:
        folder: The parent of the methods' folders.
        provenance: By method, from `provenance`.

    Raises:
        UserError: If the folder of a method holds an explanation of something else.
    """
    for method, of_method in provenance.items():
        check_same_results(
            folder / method / PROVENANCE,
            of_method["explained"],
            "explains other images, or with other settings",
            lambda content: content["explained"],
        )


def _baseline(method: str, background: np.ndarray | None) -> str | dict[str, int] | None:
    """Describes the images that a method starts from; None if it starts from none."""
    if background is not None and METHODS[method].needs_background:
        return {"training_images": len(background), "crc32": checksum(background)}
    return "mean color" if "baselines" in METHODS[method].settings else None
