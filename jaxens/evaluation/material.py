"""The data set of a run, from where it lies now."""

import dataclasses
from pathlib import Path

from jaxens.data.opening import DataSet, open_data
from jaxens.run import Run


def data_of(run: Run, folder: Path | None, cache: Path | None) -> DataSet:
    """Opens it; `folder` and `cache` are where it was moved to, if it was.

    Raises `UserError` if it is not what the run was trained on.
    """
    config = run.config.data
    data = open_data(
        dataclasses.replace(config, dir=str(folder or config.dir), cache=str(cache or config.cache))
    )
    run.check_data(data.fingerprint)
    return data
