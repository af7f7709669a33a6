"""Data sets with labels, masks and key points, prepared once and read as squares of one size."""

from typing import TYPE_CHECKING, Any

from jaxens.data.progress import Progress, no_progress
from jaxens.data.registry import SOURCES, open_data

if TYPE_CHECKING:
    from jaxens.data.source import DataSet

__all__ = ["SOURCES", "open"]


def open(source: str, *, progress: Progress = no_progress, **settings: Any) -> "DataSet":
    """Opens a data set; prepares it the first time.

        cub = jaxens.data.open("cub", data_dir="CUB_200_2011", image_size=224)

    Args:
        source: a key of `SOURCES`.
        progress: called with a description, the number of images prepared so far, and of all.
        **settings: fields of `jaxens.data.settings.Data`.

    Raises:
        UserError: for a wrong setting, or files that are missing or malformed.
    """
    from jaxens.data.settings import Data

    return open_data(Data(source=source, **settings), progress)
