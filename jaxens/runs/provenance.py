"""Records what a run depends on: versions, device, seed, git revision, data, weights, config."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NotRequired, Required, TypedDict

import jax

from jaxens.names import encodable
from jaxens.training.settings import Config

_PACKAGES = ("jaxens", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


class Environment(TypedDict, total=False):
    """The software and the machine of a process."""

    versions: Required[dict[str, str]]
    device: Required[str]
    devices: int
    backend: str
    machine: str
    cores: int | None
    git: str | None
    command: list[str]
    began: str


class Resumed(Environment):
    """A process that went on with a run, after an epoch."""

    after_epoch: int


# A call, because "from" is a keyword. Weights from the Hub have a revision, its commit.
InitialWeights = TypedDict(
    "InitialWeights", {"from": str, "fingerprint": str, "revision": NotRequired[str]}
)


# Calls, because of names that are not words of Python.
Files = TypedDict("Files", {"config.toml": str, "info.json": str})


class Provenance(Environment):
    """The content of provenance.json.

    `files` has the checksums (SHA-256) of config.toml and info.json, `data` the fingerprint of
    the data set.
    """

    data: str
    seed: NotRequired[int]
    weights: NotRequired[InitialWeights | None]
    files: Files
    resumed: NotRequired[list[Resumed]]


def provenance(
    config: Config, data: str, weights: InitialWeights | None, files: Mapping[str, str]
) -> Provenance:
    """Returns the software, the machine and the inputs of a run, as JSON values.

    Args:
        config: The config of the run.
        data: Fingerprint of the data set.
        weights: Where the initial weights come from, if there are any.
        files: Text of the run's files, by name.
    """
    return {
        **environment(),
        "seed": config.optim.seed,
        "data": data,
        "weights": weights,
        "files": {
            "config.toml": checksum(files["config.toml"]),
            "info.json": checksum(files["info.json"]),
        },
        "resumed": [],
    }


def environment() -> Environment:
    """Returns the software and the machine of this process, as JSON values."""
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
        "cores": _cores(),
        "git": _git_revision(),
        "command": list(map(encodable, (Path(sys.argv[0]).name, *sys.argv[1:]))),
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def changes(before: Environment, now: Environment) -> str:
    """Describes what has changed between two processes, of what their numbers depend on.

    Sums are split over cores and devices, so the last digits depend on how many there are.
    """
    names = ("device", "devices", "backend", "cores")
    changed = [
        f"{name} {before.get(name)} before, {now.get(name)} now"
        for name in names
        if before.get(name) != now.get(name)
    ]
    versions, others = before.get("versions", {}), now.get("versions", {})
    changed += [
        f"{name} {versions.get(name)} before, {others.get(name)} now"
        for name in sorted(versions.keys() | others.keys())
        if versions.get(name) != others.get(name)
    ]
    return "; ".join(changed)


def checksum(text: str) -> str:
    """Returns the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _cores() -> int | None:
    """Returns the number of cores that XLA uses: those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


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
