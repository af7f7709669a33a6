"""What a folder in CUB's layout is called: CUB-200-2011 if it is that archive, else its name."""

from pathlib import Path

from jaxens.data.reading import printable

ARCHIVE = "CUB_200_2011"  # the folder that the archive unpacks to


def is_archive(root: Path) -> bool:
    """Returns whether a folder is named as in the archive of CUB-200-2011."""
    return root.resolve().name == ARCHIVE


def name_of_data(root: Path) -> str:
    """Returns the name of the data set: "cub", or that of the folder."""
    return "cub" if is_archive(root) else printable(root.resolve().name) or "folder"


def title_of_data(root: Path) -> str:
    """Returns the name of the data set for messages."""
    return "CUB-200-2011" if is_archive(root) else name_of_data(root)


def remedy_of_missing(path: Path) -> str:
    """Returns what to do about a table or a folder of photos that is missing."""
    if is_archive(path.parent) or is_archive(path.parent.parent):
        return "unpack the whole archive of CUB-200-2011"
    return "add it"
