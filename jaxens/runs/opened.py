"""Opens the trained ensemble of a run or of an export."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jaxens.data.registry import SOURCES
from jaxens.data.schema import Info
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.names import shorten
from jaxens.runs import exported
from jaxens.runs.loading import best_ensemble
from jaxens.runs.mirror import local_run
from jaxens.runs.origin import Origin
from jaxens.runs.run import Run


@dataclass(frozen=True)
class Opened:
    """A trained ensemble, and what is known of its training.

    Attributes:
        folder: The run directory, or the folder of the export.
        ensemble: The ensemble.
        origin: Where it comes from.
        run: The run; None for an export.
    """

    folder: Path
    ensemble: Ensemble
    origin: Origin
    run: Run | None = None

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """Loads the ensemble of an open run.

        Raises:
            UserError: As `best_ensemble` does.
        """
        ensemble = best_ensemble(run)
        return cls(run.folder, ensemble, Origin.of_run(run), run)

    def finds_data(self, data_dir: Path | None) -> bool:
        """Returns whether the data set can be opened. An export does not know its folder.

        Args:
            data_dir: The folder that the user named.
        """
        data = self.origin.data
        return bool(data_dir or data["data_dir"] or not SOURCES[data["source"]].needs_folder)

    def check_data(self, info: Info, fingerprint: str) -> None:
        """Checks that the ensemble was trained on a data set.

        Raises:
            UserError: If it was not.
        """
        if self.run is not None:
            self.run.check_data(info, fingerprint)
        elif fingerprint != self.origin.fingerprint:
            raise UserError(
                f"{self.folder} was trained on other data (fingerprint "
                f"{shorten(self.origin.fingerprint)}, now {fingerprint}): name the folder of those "
                "data with `data_dir`"
            )


def open_trained(folder: Path) -> Opened:
    """Opens a run or an export.

    Args:
        folder: The run directory, or the folder of the export.

    Raises:
        UserError: If it is neither, has no checkpoint, or is damaged.
    """
    if exported.is_exported(folder):
        ensemble, origin = exported.read(folder)
        return Opened(folder, ensemble.on_devices(), origin)
    run = Run.open(folder)
    try:
        return Opened.of_run(run)
    finally:
        run.close()


def load_ensemble(folder: str | os.PathLike[str]) -> Ensemble:
    """Loads the ensemble of a run or an export, local or at a URL; see `jaxens.load`."""
    return open_trained(local_run(folder)).ensemble
