"""Data sets with labels, masks and key points, prepared once and read as squares of one size."""

from typing import TYPE_CHECKING, Any

import lazy_loader

from jaxens.data.opening import open_data
from jaxens.data.progress import Progress, no_progress
from jaxens.data.registry import SOURCES
from jaxens.data.settings import Data

if TYPE_CHECKING:
    from jaxens.data.describing import Description, describe
    from jaxens.data.folder.proposing import propose
    from jaxens.data.source import DataSet, load
    from jaxens.data.split import Split

# `source` loads TensorFlow Datasets.
__getattr__, _, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "source": ["DataSet", "load"],
        "split": ["Split"],
        "describing": ["Description", "describe"],
        "folder.proposing": ["propose"],
    },
)
__all__ = [
    "SOURCES",
    "Data",
    "DataSet",
    "Description",
    "Split",
    "describe",
    "load",
    "open",
    "propose",
]


def open(source: str, *, progress: Progress = no_progress, **settings: Any) -> "DataSet":
    """Opens a data set; prepares it the first time.

        cub = jaxens.data.open("cub", data_dir="CUB_200_2011", image_size=224)
        held_out = jaxens.data.load(cub.test)

    Args:
        source: A key of `SOURCES`.
        progress: Called with a description, the number of images prepared so far, and of all.
        **settings: Fields of `jaxens.data.Data`.

    Raises:
        UserError: For a wrong setting, or files that are missing or malformed.
    """
    return open_data(Data(source=source, **settings), progress)
