"""The data set that an ensemble was trained on: opens it, and checks the folders it names."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxens.data.opening import open_data
from jaxens.data.progress import Progress, no_progress
from jaxens.data.settings import Data
from jaxens.data.source import DataSet
from jaxens.errors import UserError
from jaxens.files import with_home
from jaxens.names import shorten
from jaxens.runs.choice import Choice
from jaxens.runs.opened import Opened

log = logging.getLogger(__name__)


def data_of(
    opened: Opened,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = no_progress,
    layout: Path | None = None,
) -> DataSet:
    """Opens the training data set of an ensemble.

    Args:
        opened: The ensemble of a run or an export.
        data_dir: The folder of the data set, if it was moved; an export does not name it.
        cache_dir: The folder of prepared data, if they were moved.
        progress: Called after each image, if data are prepared again.
        layout: The file that describes the folder, if it was moved.

    Raises:
        UserError: If the data set is not the one that the ensemble was trained on, or its prepared
            data are gone and no `cache_dir` says where to write them, or an export needs a folder.
    """
    origin = opened.origin
    if not opened.finds_data(data_dir):
        raise UserError(
            f"{opened.folder} is an export, and lacks the images of its data set "
            f"{shorten(origin.info.name)}, which are needed: add `data_dir` with their folder"
        )
    settings = own_data(opened.folder, origin.data, data_dir, cache_dir, layout)
    data = open_data(settings, progress)
    opened.check_data(data.info, data.fingerprint)
    return data


def chosen_data(
    opened: Opened, choice: Choice, wanted: bool, progress: Progress = no_progress
) -> DataSet | None:
    """Opens the data set of an ensemble, as the user says where it is; None if it isn't wanted.

    Raises:
        UserError: As `data_of` does.
    """
    if not wanted:
        return None
    return data_of(opened, choice.data_dir, choice.cache_dir, progress, choice.layout)


def own_data(
    folder: Path,
    settings: Mapping[str, Any],
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    layout: Path | None = None,
) -> Data:
    """Returns the settings of a run's data set, with folders that its config alone names checked.

    The run may come from someone else, and its config may name any folder. Into one for prepared
    data, nothing is written unless there are some; from one of a data set, or a file that describes
    it, nothing is read without a word.

    Args:
        folder: The run directory.
        settings: The fields of those of its config.
        data_dir: The folder of the data set that the user named.
        cache_dir: The folder of prepared data that the user named.
        layout: The file that describes the data set, which the user named.

    Raises:
        UserError: If there are no prepared data where the config alone says.
    """
    return Data(
        **{
            **settings,
            "data_dir": _own_path(folder, settings["data_dir"], data_dir, "the data set"),
            "layout": _own_path(folder, settings["layout"], layout, "what the photos mean"),
            "cache_dir": own_cache(folder, settings["cache_dir"], cache_dir),
        }
    )


def own_cache(folder: Path, of_config: str, cache_dir: Path | None = None) -> str:
    """Returns the folder of prepared data: the user's, or that of a run's config, checked.

    Args:
        folder: The run directory.
        of_config: The folder that its config names; empty for the default.
        cache_dir: The folder that the user named.

    Raises:
        UserError: If there are no prepared data where the config alone says.
    """
    if cache_dir is not None:
        return str(cache_dir)
    if of_config:
        _check_cache(folder, with_home(of_config))
    return of_config


def _own_path(folder: Path, of_config: str, named: Path | None, what: str) -> str:
    """Returns the path that the user named, or that of the config, with a warning."""
    if named is not None:
        return str(named)
    if of_config:
        log.warning(f"{what} is read from {of_config}, which {folder / 'config.toml'} names")
    return of_config


def _check_cache(folder: Path, cache: Path) -> None:
    """Checks that a run's own cache folder is in use, before anything is written there."""
    if not any(cache.glob("*/*/*/dataset_info.json")):
        raise UserError(
            f"{folder / 'config.toml'} names {cache} for prepared data, and there are none: add "
            "`cache_dir` with the folder where they are, or are to be prepared"
        )
