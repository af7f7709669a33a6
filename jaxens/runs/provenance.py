"""Records what a run depends on: versions, device, seed, git revision, data and weights."""

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax

from jaxens.training.settings import Config

_PACKAGES = ("jaxens", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def provenance(config: Config, data: str, weights: str | None) -> dict[str, Any]:
    """Returns the software, the machine and the inputs of a run, as JSON values.

    Args:
        config: of the run.
        data: fingerprint of the data set.
        weights: fingerprint of the initial weights, if there are any.
    """
    devices = jax.devices()
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "device": devices[0].device_kind,
        "devices": len(devices),
        "backend": jax.default_backend(),
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "seed": config.optim.seed,
        "git": _git_revision(),
        "data": data,
        "weights": {"from": config.model.weights, "fingerprint": weights} if weights else None,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _git_revision() -> str | None:
    """Returns the revision of the checkout that this code is in, with "+" if files differ."""
    root = Path(__file__).parents[2]

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != root:
            return None  # the package is installed inside another repository
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
