"""A run directory: the config, the inputs and the results of a training.

config.toml       the whole config
info.json         the tasks and parts of the data set
provenance.json   versions, device, seed, git revision, fingerprints of data and weights, checksums
metrics.jsonl     one line per epoch, and a last one with the held-out scores
checkpoints/      the last two and the best
interrupted/      the state in the middle of an epoch, if a signal has stopped the training there
"""

import json
import logging
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Self

from jaxens.data.schema import Info
from jaxens.errors import UserError
from jaxens.files import LOCK, in_use, lock, partial_path, write_text
from jaxens.names import shorten
from jaxens.runs import config as configs
from jaxens.runs.checkpoints import Checkpoints
from jaxens.runs.folders import check_absent, check_path, check_present
from jaxens.runs.log import misfit, read_lines, to_line
from jaxens.runs.parts import Parts
from jaxens.runs.provenance import (
    InitialWeights,
    Provenance,
    Resumed,
    changes,
    checksum,
    environment,
    provenance,
)
from jaxens.runs.records import difference, read_json, wrong_tasks
from jaxens.training.settings import Config
from jaxens.training.state import trained_members
from jaxens.untrusted import check_tree, read_text

log = logging.getLogger(__name__)

FILES = ("config.toml", "info.json", "provenance.json", "metrics.jsonl")
FOLDERS = ("checkpoints", "interrupted")
RESTORE = "restore that file, or train again with another `out`"


class Run:
    """An open run directory: see `create`, `resume` and `open`.

    Attributes:
        folder: The run directory.
        config: The config of the run.
        info: Tasks and parts of the data set.
        record: What is known of how the run was made.
        checkpoints: The checkpoints of the run.
        parts: Those that are not at the end of an epoch.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        info: Info,
        record: Provenance,
        locked: IO[bytes] | None = None,
        *,
        new: bool = False,
    ):
        self.folder = folder
        self.config = config
        self.info = info
        self.record = record
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self._lock, self._new = locked, new
        self.parts = Parts(self.checkpoints)

    @classmethod
    def create(
        cls,
        folder: Path,
        config: Config,
        info: Info,
        data: str,
        weights: InitialWeights | None = None,
    ) -> Self:
        """Creates a run directory. Call `check_absent` first, so that errors come before long work.

        Args:
            folder: The folder of the run; it is empty or does not exist.
            config: The config of the run.
            info: The info of the data set.
            data: Fingerprint of the data set.
            weights: Where the initial weights come from, if there are any.

        Raises:
            UserError: If the folder can't be used.
        """
        check_absent(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = partial_path(folder)
        temporary.mkdir()
        files = {"info.json": info.to_json(), "config.toml": configs.to_toml(config)}
        record = provenance(config, data, weights, files)
        try:
            for name, text in files.items():
                write_text(temporary / name, text)
            write_text(temporary / "provenance.json", json.dumps(record, indent=2))
            locked = lock(temporary)
            _rename(temporary, folder)  # all files appear at once, with their lock
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return cls(folder, config, info, record, locked, new=True)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens a run to read it.

        Raises:
            UserError: If the folder is not a run, its files can't be read, or a link leads out.
        """
        check_present(folder)
        for name in (*FILES, *FOLDERS):
            check_tree(folder / name, folder)
        config = configs.load(folder / "config.toml", complete=True)
        info = _read_info(folder / "info.json")
        record = _read_record(folder)
        return cls(folder, config, info, record)

    @classmethod
    def resume(cls, folder: Path, config: Config, info: Info, data: str) -> Self:
        """Opens a run to continue it; no other process can do so until it is closed.

        Raises:
            UserError: If the config or the data set differs from that of the run, or another
                process trains it.
        """
        check_present(folder)
        check_path(folder)
        locked = lock(folder)
        try:
            run = cls.open(folder)
            configs.check_same_config(run.config, config, folder)
            run.check_data(info, data)
        except BaseException:
            locked.close()
            raise
        run._lock = locked
        return run

    def share(self, folder: Path) -> None:
        """From now on, the other processes write their shards into the checkpoints.

        Args:
            folder: The run directory.
        """
        self.checkpoints.others.joined = True

    def check_data(self, info: Info, fingerprint: str) -> None:
        """Checks that the run was trained on this data set. Its name may have changed.

        A data set that is named after its folder has another name after the folder is moved.

        Args:
            info: The info of the data set.
            fingerprint: The fingerprint of the data set.

        Raises:
            UserError: If it was not, or its info.json has been changed.
        """
        expected = self.record["data"]
        if expected != fingerprint:
            raise UserError(
                f"{self.folder} was trained on other data (fingerprint {shorten(expected)}, "
                f"now {fingerprint}): restore those data, or train again with another `out`"
            )
        own, of_data = (json.loads(replace(x, name="").to_json()) for x in (self.info, info))
        if changed := difference(own, of_data):
            raise UserError(
                f"{self.folder / 'info.json'} differs from the data set: {changed}: {RESTORE}"
            )

    def check_weights(self, fingerprint: str) -> None:
        """Checks that the run started from the weights with this fingerprint.

        Raises:
            UserError: If it did not.
        """
        weights = self.record.get("weights")
        expected = weights and weights["fingerprint"]
        if expected != fingerprint:
            raise UserError(
                f"{self.config.model.weights} holds other weights than {self.folder} started from "
                f"(fingerprint {shorten(str(expected))}, now {fingerprint}): restore those, or "
                "train again with another `out`"
            )

    def log(self, **numbers: Any) -> None:
        """Appends a line to the metrics log.

        Raises:
            UserError: If the run directory is gone, such as one on a network share. An empty folder
                may be in its place, which would take the rest of the run.
        """
        if self._lock is not None and not (self.folder / LOCK).exists():
            raise UserError(
                f"{self.folder} is gone: bring it back (is a drive or a network share missing?), "
                "and `resume` continues it"
            )
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(to_line(numbers))

    def read_log(self) -> list[dict[str, Any]]:
        """Returns the lines of the metrics log; damaged ones are left out with a warning."""
        names = [task.name for task in self.info.choose_tasks(self.config.data.tasks)]
        members, trained = self.config.ensemble.members, trained_members(self.config)
        return read_lines(
            self.folder / "metrics.jsonl",
            partial(misfit, tasks=names, members=members, baseline=trained > members),
        )

    def continue_after(self, epoch: int) -> None:
        """Prepares to train the epochs after `epoch`.

        Their lines are removed from the log. A resume goes into the provenance.
        """
        kept = [line for line in self.read_log() if line.get("epoch", epoch + 1) <= epoch]
        write_text(self.folder / "metrics.jsonl", "".join(map(to_line, kept)))
        if self._new:
            return
        now = environment()
        resumed = [*self.record.get("resumed", []), Resumed(**now, after_epoch=epoch)]
        if changed := changes(self.record, now):
            log.warning(
                f"{self.folder} began elsewhere ({changed}): from here on, numbers may differ in "
                "their last digits from those of a run that never stopped"
            )
        self.record["resumed"] = resumed
        write_text(self.folder / "provenance.json", json.dumps(self.record, indent=2))

    def close(self) -> str:
        """Waits until all checkpoints are on disk, and closes them. Says what is kept.

        A new run without a checkpoint is removed, because it would block the next try.
        """
        self.checkpoints.close()
        epochs = self.checkpoints.epochs()
        if self._new and not epochs and not self.parts.kept:
            self.checkpoints.others.settle()
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
        if epochs or self.parts.kept:
            kept = self.parts.kept or f"epoch {max(epochs)}"
            return f"{self.folder} is kept up to {kept}: `resume` continues it"
        return "nothing was saved, because no checkpoint was finished"


def _read_info(path: Path) -> Info:
    remedy = "copy it from another run on the same data"
    raw = read_json(path, Info, remedy)
    if wrong := wrong_tasks(raw):
        raise UserError(f"{path} can't be used: {wrong}: {remedy}")
    return Info.from_json(json.dumps(raw))


def _read_record(folder: Path) -> Provenance:
    """Reads a run's provenance, and compares the checksums in it with its files."""
    path = folder / "provenance.json"
    record = read_json(path, Provenance, RESTORE)
    for name in ("config.toml", "info.json"):
        if checksum(read_text(folder / name)) != record["files"][name]:
            raise UserError(
                f"{folder / name} was changed after the run began (its checksum is not that in "
                f"{path.name}): {RESTORE}"
            )
    return record


def _rename(temporary: Path, folder: Path) -> None:
    try:
        temporary.replace(folder)
    except OSError:
        if folder.exists() and any(folder.iterdir()):
            raise in_use(folder) from None
        raise
