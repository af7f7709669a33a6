"""A run directory: what was asked, with what, what came of it.

config.toml       all of the config
info.json         the tasks and parts of the data set
provenance.json   versions, device, seed, git revision, fingerprints of data and weights
metrics.jsonl     a line per epoch, and a last one for the held-out pictures
checkpoints/      the last two and the best
"""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import jax

from jaxens.data.schema import Info
from jaxens.errors import UserError, notice
from jaxens.runs import config as configs
from jaxens.runs.checkpoints import Checkpoints
from jaxens.runs.config import Config

_PACKAGES = ("jaxens", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


class Run:
    """One run directory, open for writing (`create`, `resume`) or reading (`open`)."""

    def __init__(self, folder: Path, config: Config, info: Info):
        self.folder = folder
        self.config = config
        self.info = info
        self.checkpoints = Checkpoints(folder / "checkpoints")

    @classmethod
    def create(
        cls, folder: Path, config: Config, info: Info, fingerprint: str, weights: str | None = None
    ) -> Self:
        """Makes the directory. `check_absent` should have been asked before long work.

        `fingerprint` tells the data, `weights` the starting weights, if any.
        """
        check_absent(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            beside.chmod(0o777 & ~_umask())
            write(beside / "info.json", info.to_json())
            provenance = json.dumps(_provenance(config, fingerprint, weights), indent=2)
            write(beside / "provenance.json", provenance)
            write(beside / "config.toml", config.to_toml())
            beside.replace(folder)  # whole or not at all; an empty folder may be there
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return cls(folder, config, info)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens a run to read it. Raises `UserError` if the folder is none."""
        check_present(folder)
        try:
            info = Info.from_json((folder / "info.json").read_text())
        except (OSError, ValueError, KeyError):
            raise UserError(
                f"{folder / 'info.json'} can't be read: bring it back from another run on the same "
                "data, whose info.json is the same"
            ) from None
        return cls(folder, configs.from_toml(folder / "config.toml"), info)

    @classmethod
    def resume(cls, folder: Path, config: Config, fingerprint: str) -> Self:
        """Opens a run to go on with it, if config and data are the ones it began with."""
        run = cls.open(folder)
        check_same(run.config, config, folder)
        run.check_data(fingerprint)
        return run

    def check_data(self, fingerprint: str) -> None:
        """Raises `UserError` if these are not the data that the run began with."""
        path = self.folder / "provenance.json"
        try:
            began = json.loads(path.read_text())["data"]
        except (OSError, ValueError, KeyError):
            raise UserError(
                f"{path} can't be read: mend it; of its fields only data, the fingerprint of the "
                f"data set, is needed, and here that is {fingerprint!r}"
            ) from None
        if began != fingerprint:
            raise UserError(
                f"{self.folder} was trained on other data (fingerprint {began}, now "
                f"{fingerprint}): bring back those data, or train anew into another --out"
            )

    def check_weights(self, fingerprint: str) -> None:
        """Raises `UserError` if these are not the weights that the run began with."""
        provenance = json.loads((self.folder / "provenance.json").read_text())
        began = (provenance.get("weights") or {}).get("fingerprint")
        if began != fingerprint:
            raise UserError(
                f"{self.config.model.weights} holds other weights than {self.folder} began with "
                f"(fingerprint {began}, now {fingerprint}): bring back those, or train anew into "
                "another --out"
            )

    def log(self, **numbers: Any) -> None:
        """Appends a line to the metrics log."""
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(numbers) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """The lines of the metrics log; none if it was not begun."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        read = []
        for number, line in enumerate(lines, start=1):
            try:
                read.append(json.loads(line))
            except ValueError:
                notice(f"{path}: line {number} is half-written and left out")
        return read

    def forget_after(self, epoch: int) -> None:
        """Drops the log's lines of later epochs: they will be trained, and told, again."""
        kept = [line for line in self.read_log() if line.get("epoch", epoch + 1) <= epoch]
        write(self.folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in kept))

    def close(self) -> None:
        self.checkpoints.close()


def check_absent(folder: Path) -> None:
    """Raises `UserError` if a new run can't have this folder."""
    for parent in folder.parents:
        if parent.exists() and not parent.is_dir():
            raise UserError(f"--out {folder}: {parent} is a file: choose another folder")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file: choose another folder")
    if (folder / "config.toml").exists():
        raise UserError(
            f"{folder} exists: choose another --out, or add --resume to go on with that run"
        )
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} exists and is not empty: choose another --out")


def check_present(folder: Path) -> None:
    """Raises `UserError` if the folder is no run."""
    if not (folder / "config.toml").is_file():
        raise UserError(
            f"{folder} is no run directory (it has no config.toml): name one that "
            "python -m jaxens.train has written"
        )


def check_same(began: Config, now: Config, folder: Path) -> None:
    """Raises `UserError` naming the first field in which the configs differ.

    Where data lie and how they are read is no part of a run: their fingerprint is.
    """
    free = {("data", "cache"), ("data", "workers"), ("data", "resident"), ("data", "dir")}
    for section in ("data", "model", "ensemble", "optim", "augment"):
        then = vars(getattr(began, section))
        for name, value in vars(getattr(now, section)).items():
            if (section, name) not in free and then[name] != value:
                raise UserError(
                    f"{folder} belongs to another config: its {section}.{name} is "
                    f"{then[name]!r}, not {value!r}: ask for the same, or choose another --out"
                )


def write(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file beside and renames it, so that it is whole or absent."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _provenance(config: Config, fingerprint: str, weights: str | None) -> dict[str, Any]:
    devices = jax.devices()
    began_with = {"from": config.model.weights, "fingerprint": weights} if weights else None
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
        "data": fingerprint,
        "weights": began_with,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _git_revision() -> str | None:
    """The revision of the checkout that this code runs from, "+" if it was changed."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(here), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != here.parent:
            return None  # an installed package inside somebody else's repository
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
