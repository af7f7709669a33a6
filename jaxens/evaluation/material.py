"""What an evaluation or explanation takes from its run's data set."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxens.data.registry import DataSet, open_data
from jaxens.runs.run import Run

BACKGROUND = 16  # training pictures that GradientSHAP starts from


def data_of(run: Run, folder: Path | None, cache: Path | None) -> DataSet:
    """The data set, opened; `folder` and `cache` are where it was moved to, if it was.

    Raises `UserError` if it is not what the run was trained on.
    """
    config = run.config.data
    data = open_data(
        dataclasses.replace(config, dir=str(folder or config.dir), cache=str(cache or config.cache))
    )
    run.check_data(data.fingerprint)
    return data


def training_pictures(data: DataSet) -> UInt8[np.ndarray, "baseline height width 3"]:
    """Training pictures, evenly spaced: what GradientSHAP starts from."""
    places = np.linspace(0, len(data.train) - 1, min(BACKGROUND, len(data.train))).astype(int)
    return np.stack([data.train[int(i)].image for i in places])
