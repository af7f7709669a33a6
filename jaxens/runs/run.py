"""A run directory: the config, the inputs and the results of a training.

config.toml       the whole config
info.json         the tasks and parts of the data set
provenance.json   versions, device, seed, git revision, fingerprints of data and weights
metrics.jsonl     one line per epoch, and a last one with the held-out scores
checkpoints/      the last two and the best
"""

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

from jaxens.data.schema import Info
from jaxens.errors import UserError
from jaxens.files import write_text
from jaxens.runs import config as configs
from jaxens.runs.checkpoints import Checkpoints
from jaxens.runs.provenance import provenance
from jaxens.training.settings import Config

log = logging.getLogger(__name__)


class Run:
    """An open run directory: see `create`, `resume` and `open`.

    Attributes:
        folder: the run directory.
        config: of the run.
        info: tasks and parts of the data set.
        checkpoints: of the run.
    """

    def __init__(self, folder: Path, config: Config, info: Info):
        self.folder = folder
        self.config = config
        self.info = info
        self.checkpoints = Checkpoints(folder / "checkpoints")

    @classmethod
    def create(
        cls, folder: Path, config: Config, info: Info, data: str, weights: str | None = None
    ) -> Self:
        """Creates a run directory. Call `check_absent` first, so that errors come before long work.

        Args:
            folder: of the run; it is empty or does not exist.
            config: of the run.
            info: of the data set.
            data: fingerprint of the data set.
            weights: fingerprint of the initial weights, if there are any.

        Raises:
            UserError: If the folder can't be used.
        """
        check_absent(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            temporary.chmod(0o777 & ~_umask())
            write_text(temporary / "info.json", info.to_json())
            record = json.dumps(provenance(config, data, weights), indent=2)
            write_text(temporary / "provenance.json", record)
            write_text(temporary / "config.toml", configs.to_toml(config))
            temporary.replace(folder)  # all files appear at once; an empty folder may exist
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return cls(folder, config, info)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens a run to read it.

        Raises:
            UserError: If the folder is not a run, or its files can't be read.
        """
        check_present(folder)
        try:
            info = Info.from_json((folder / "info.json").read_text())
        except (OSError, ValueError, KeyError):
            raise UserError(
                f"{folder / 'info.json'} can't be read: copy it from another run on the same data"
            ) from None
        return cls(folder, configs.load(folder / "config.toml"), info)

    @classmethod
    def resume(cls, folder: Path, config: Config, data: str) -> Self:
        """Opens a run to continue it.

        Raises:
            UserError: If the config or the data set differs from that of the run.
        """
        run = cls.open(folder)
        check_same(run.config, config, folder)
        run.check_data(data)
        return run

    def check_data(self, fingerprint: str) -> None:
        """Checks that the run was trained on the data set with this fingerprint.

        Raises:
            UserError: If it was not, or its record can't be read.
        """
        path = self.folder / "provenance.json"
        try:
            expected = json.loads(path.read_text())["data"]
        except (OSError, ValueError, KeyError):
            raise UserError(
                f"{path} can't be read: correct it; the only field needed is data, the "
                f"fingerprint of the data set, which is now {fingerprint!r}"
            ) from None
        if expected != fingerprint:
            raise UserError(
                f"{self.folder} was trained on other data (fingerprint {expected}, now "
                f"{fingerprint}): restore those data, or train again with another --out"
            )

    def check_weights(self, fingerprint: str) -> None:
        """Checks that the run started from the weights with this fingerprint.

        Raises:
            UserError: If it did not.
        """
        record = json.loads((self.folder / "provenance.json").read_text())
        expected = (record.get("weights") or {}).get("fingerprint")
        if expected != fingerprint:
            raise UserError(
                f"{self.config.model.weights} holds other weights than {self.folder} started from "
                f"(fingerprint {expected}, now {fingerprint}): restore those, or train again with "
                "another --out"
            )

    def log(self, **numbers: Any) -> None:
        """Appends a line to the metrics log."""
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(numbers) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """Returns the lines of the metrics log; a half-written line is left out with a warning."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        read = []
        for number, line in enumerate(lines, start=1):
            try:
                read.append(json.loads(line))
            except ValueError:
                log.warning(f"{path}: line {number} is half-written and left out")
        return read

    def forget_after(self, epoch: int) -> None:
        """Removes the log's lines of epochs after `epoch`, which will be trained again."""
        kept = [line for line in self.read_log() if line.get("epoch", epoch + 1) <= epoch]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_text(self.folder / "metrics.jsonl", text)

    def close(self) -> None:
        """Waits until all checkpoints are on disk, and closes them."""
        self.checkpoints.close()


def check_absent(folder: Path) -> None:
    """Checks that a new run can be created in a folder.

    Raises:
        UserError: If it can't.
    """
    for parent in folder.parents:
        if parent.exists() and not parent.is_dir():
            raise UserError(f"--out {folder}: {parent} is a file: choose another folder")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file: choose another folder")
    if (folder / "config.toml").exists():
        raise UserError(f"{folder} exists: choose another --out, or add --resume to continue it")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} exists and is not empty: choose another --out")


def check_present(folder: Path) -> None:
    """Checks that a folder is a run directory.

    Raises:
        UserError: If it is not.
    """
    if not (folder / "config.toml").is_file():
        raise UserError(
            f"{folder} is not a run directory (it has no config.toml): name one that "
            "python -m jaxens.train has written"
        )


def check_same(expected: Config, config: Config, folder: Path) -> None:
    """Checks that two configs are the same, but for the folders of the data and how they are read.

    The data themselves are checked by their fingerprint.

    Args:
        expected: the config of the run.
        config: the config to continue it with.
        folder: of the run, for the message.

    Raises:
        UserError: Names the first field in which the configs differ.
    """
    free = {("data", name) for name in ("cache_dir", "workers", "resident", "data_dir")}
    for section in ("data", "model", "ensemble", "optim", "augment"):
        fields = vars(getattr(expected, section))
        for name, value in vars(getattr(config, section)).items():
            if (section, name) not in free and fields[name] != value:
                raise UserError(
                    f"{folder} has another config: its {section}.{name} is {fields[name]!r}, not "
                    f"{value!r}: use the same value, or choose another --out"
                )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
